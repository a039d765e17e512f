#!/bin/sh
# Makes what is secret, once: one file each in secrets/, beside this script. What is there already stays as it is.
# Copy the folder to where your passwords are: without encryption_keys nobody reads what is stored.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 0700 secrets

random() {
    # URL-safe, 43 characters, 256 bits
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'
}
keep() {
    # The users inside the containers are others than on this machine; the folder keeps everybody else out.
    [ -e "secrets/$1" ] || { printf '%s' "$2" >"secrets/$1" && chmod 0444 "secrets/$1" && echo "made secrets/$1"; }
}

for name in postgres_password tracker_password redis_password rasa_secret session_secret lookup_secret; do
    keep "$name" "$(random)"
done
# A Fernet key is 32 bytes in URL-safe Base64, with its padding.
keep encryption_keys "$(head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n')"
keep database_url "postgresql://ketalink:$(cat secrets/postgres_password)@postgres/ketalink"
keep tracker_database_url "postgresql://conversations:$(cat secrets/tracker_password)@postgres/conversations"
keep redis_url "redis://:$(cat secrets/redis_password)@redis:6379/0"
# Yours to fill in: Twilio's token (docs/sms.md), the mail server's password (docs/notifications.md).
keep twilio_auth_token ""
keep smtp_password ""
