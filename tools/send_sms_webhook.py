"""Send one signed SMS webhook to the front desk and print its TwiML. No Twilio account is needed.

.venv/app/bin/python tools/send_sms_webhook.py --text "how long does an infusion take?"
"""

import argparse
import sys
import uuid
from pathlib import Path

import httpx
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from frontdesk.settings import SettingsError, load_settings
from frontdesk.sms.api import PATH
from frontdesk.sms.signature import HEADER


def main() -> int:
    """Return 0 when the webhook was answered with TwiML."""
    parser = argparse.ArgumentParser(description="Send one signed SMS webhook to the front desk; print its TwiML.")
    parser.add_argument("--text", required=True, help="what the person texts")
    parser.add_argument("--from", dest="sender", default="+15165550142", help="who texts, E.164 (default %(default)s)")
    parser.add_argument("--sid", help="MessageSid; give the same one twice to repeat a webhook (default: a new one)")
    parser.add_argument("--url", help=f"where the front desk listens (default: http://HOST:PORT{PATH} of the settings)")
    arguments = parser.parse_args()
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 1
    token, public_url = settings.twilio_auth_token, settings.public_url
    if token is None or public_url is None:
        print(
            "TWILIO_AUTH_TOKEN and PUBLIC_URL have to be set, best in .env: the front desk reads it too. "
            "For a trial on one machine any values do. See docs/sms.md.",
            file=sys.stderr,
        )
        return 1
    form = {
        "MessageSid": arguments.sid or f"SM{uuid.uuid4().hex}",
        "From": arguments.sender,
        "To": settings.twilio_phone_number or "+15165550100",
        "Body": arguments.text,
        "NumMedia": "0",
    }
    first_token = token.get_secret_value().split(",")[0].strip()
    signature = RequestValidator(first_token).compute_signature(public_url.rstrip("/") + PATH, form)
    url = arguments.url or f"http://{settings.host}:{settings.port}{PATH}"
    try:
        response = httpx.post(url, data=form, headers={HEADER: signature}, timeout=20)
    except httpx.HTTPError as error:
        print(f"{url} does not answer ({type(error).__name__}). Is the front desk running?", file=sys.stderr)
        return 1
    print(response.text)
    return 0 if response.is_success else 1


if __name__ == "__main__":
    sys.exit(main())
