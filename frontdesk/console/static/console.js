// What the console's pages do without a reload: the warning before signing out. Without it they work all the same.
const WARN_SECONDS = 120
const dialog = document.getElementById('idle')
const left = document.getElementById('idle-left')
let timer

function isTyped(field) {
  return field.value.trim() !== '' && field.value !== field.defaultValue
}

// Sent when the sign-in is over, a note comes back with the form to sign in, and waits in its field afterwards.
function leave() {
  const note = [...document.querySelectorAll('main textarea[name=text]')].find(isTyped)
  if (note) {
    note.form.requestSubmit ? note.form.requestSubmit() : note.form.submit()
    return
  }
  const next = encodeURIComponent(location.pathname)
  location.assign(`/staff/sign-in?next=${next}&ended=idle`)
}

function words(seconds) {
  return seconds > 90 ? 'two minutes' : seconds > 45 ? 'a minute' : `${Math.max(seconds, 0)} seconds`
}

async function look() {
  let seconds = 0
  try {
    seconds = (await (await fetch('/staff/session', {cache: 'no-store'})).json()).seconds
  } catch {
    timer = setTimeout(look, 20_000) // the server does not answer: nobody is signed out by that
    return
  }
  if (seconds <= 0) {
    leave()
  } else if (seconds <= WARN_SECONDS) {
    left.textContent = words(seconds)
    if (!dialog.open) dialog.showModal()
    timer = setTimeout(look, Math.min(seconds, 15) * 1000)
  } else {
    if (dialog.open) dialog.close() // somebody went on in another tab
    timer = setTimeout(look, Math.max(1, seconds - WARN_SECONDS) * 1000)
  }
}

async function stay(event) {
  event.preventDefault()
  const form = event.target
  const answer = await fetch(form.action, {method: 'POST', body: new URLSearchParams(new FormData(form))}).catch(() => null)
  if (answer?.ok) dialog.close()
  clearTimeout(timer)
  look()
}

if (dialog) {
  dialog.querySelector('form').addEventListener('submit', stay)
  look()
}
