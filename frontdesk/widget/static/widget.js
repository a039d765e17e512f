/*
 * <ketalink-chat>: the clinic's chat on any page, from one tag and nothing else:
 *
 *   <script src="https://desk.example/widget.js" defer data-clinic-name="…" data-phone="…"></script>
 *
 * data-clinic-name  shown in the title                 data-phone  shown when the chat cannot be reached
 * data-api          base URL, default: where this script came from
 * data-open="true"  open on arrival, where there is room for it beside the page
 *
 * It keeps one thing in the browser: the conversation's token, in sessionStorage. The words stay on the server.
 * Text from the network only ever becomes text nodes, so the page may forbid inline script and style, and ask
 * for trusted types.
 */
(() => {
  'use strict'

  const TAG = 'ketalink-chat'
  if (customElements.get(TAG)) return               // the tag is on the page twice

  const script = document.currentScript
  const home = script && script.src ? new URL(script.src).origin : location.origin

  const TOKEN_KEY = 'ketalink.session'
  const MAX_LENGTH = 2000
  const REPLY_TIMEOUT_MS = 30000
  const ROOM_BESIDE_THE_PAGE = '(min-width: 480px) and (min-height: 420px)'
  const TOUCH = '(pointer: coarse)'

  const STARTING_POINTS = [
    'Do I need someone to drive me home?',
    'What will I feel?',
    'How many infusions will I need?',
    'What does it cost?',
    'Request an appointment',
  ]
  const URGENT = 'In an emergency, call 911. In a crisis, call or text 988.'

  const CALL_988 = { label: 'Call 988', href: 'tel:988' }
  const TEXT_988 = { label: 'Text 988', href: 'sms:988' }
  const CALL_911 = { label: 'Call 911', href: 'tel:911' }
  const SAFETY = {
    crisis: { heading: 'Help is here, day and night', icon: 'heart', links: [CALL_988, TEXT_988, CALL_911] },
    emergency: { heading: 'Emergency', icon: 'alert', links: [CALL_911] },
    medical_advice: { heading: 'A question for the care team', icon: 'info', links: [] },
    diversion: { heading: 'For your safety', icon: 'info', links: [] },
  }

  const FIELD_AUTOCOMPLETE = { full_name: 'name', phone: 'tel', email: 'email' }

  const ICONS = {
    chat: ['M4 5h16v11H9.5L5 20v-4H4z', 'M8 9h8', 'M8 12.2h5'],
    close: ['M6 6l12 12', 'M18 6L6 18'],
    send: ['M12 19V5', 'M6 11l6-6 6 6'],
    heart: ['M12 20S4 15 4 9.3A4.3 4.3 0 0 1 12 7a4.3 4.3 0 0 1 8 2.3C20 15 12 20 12 20z'],
    alert: ['M12 4l9 16H3z', 'M12 10v4', 'M12 17v.2'],
    info: ['M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z', 'M12 11v5', 'M12 8v.2'],
    check: ['M5 12.5l4.5 4.5L19 7.5'],
  }

  const CSS = `
:host {
  all: initial !important;            /* the page's own styles, inherited ones too, stop here */
  display: block !important;
  color-scheme: light dark !important;
  --ink: #12303a; --muted: #48616a; --paper: #ffffff; --wash: #f1f7f7; --line: #cfe0e0; --edge: #6a878c;
  --accent: #0f6b6b; --accent-deep: #0b5353; --on-accent: #ffffff; --tint: #e2f1f0;
  --mine: #0f6b6b;
  --head: #0d3b42; --on-head: #ffffff;
  --red: #b3261e; --red-wash: #fff2f0; --red-ink: #7d1710; --on-red: #ffffff;
  --amber: #8a6100; --amber-wash: #fff8e5; --amber-ink: #5f4300;
  --shadow: 0 1.1em 2.8em rgb(9 40 46 / .24), 0 .15em .5em rgb(9 40 46 / .16);
}
@media (prefers-color-scheme: dark) {
  :host {
    --ink: #e7f2f2; --muted: #a9c1c5; --paper: #0f1e23; --wash: #182c33; --line: #2d474e; --edge: #76959b;
    --accent: #5cc9be; --accent-deep: #83d9d0; --on-accent: #05211f; --tint: #1c3d40;
    --mine: #1d6867;
    --head: #0a2b31; --on-head: #eaf5f5;
    --red: #ff9d94; --red-wash: #3b1614; --red-ink: #ffd4cf; --on-red: #3a0a07;
    --amber: #e3b54d; --amber-wash: #2e2509; --amber-ink: #f6dfa6;
    --shadow: 0 1.1em 2.8em rgb(0 0 0 / .6), 0 0 0 1px #2d474e;
  }
}
:host([hidden]) { display: none !important; }
@media print { :host { display: none !important; } }

*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
.root { font: 1em/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  color: var(--ink); text-align: start; -webkit-text-size-adjust: 100%; }
button, textarea { font: inherit; color: inherit; letter-spacing: inherit; margin: 0; }
button { cursor: pointer; touch-action: manipulation; -webkit-tap-highlight-color: transparent; }
svg { inline-size: 1.5em; block-size: 1.5em; flex: none; fill: none; stroke: currentColor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
h2, p { margin: 0; font: inherit; }
.unseen { position: absolute; inline-size: 1px; block-size: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }

.launcher { position: fixed; z-index: 2147483000;
  inset-block-end: calc(1.25em + env(safe-area-inset-bottom, 0px));
  inset-inline-end: calc(1.25em + env(safe-area-inset-right, 0px));
  display: inline-flex; align-items: center; gap: .6em; min-block-size: 3.25em; padding: .6em 1.3em .6em 1.1em;
  border: 2px solid var(--paper); border-radius: 999px; background: var(--accent); color: var(--on-accent);
  font-weight: 600; box-shadow: var(--shadow); }
.launcher:hover { background: var(--accent-deep); }

.panel { position: fixed; z-index: 2147483001;
  inset-block-end: calc(5.5em + env(safe-area-inset-bottom, 0px));
  inset-inline-end: calc(1.25em + env(safe-area-inset-right, 0px));
  inline-size: min(25em, calc(100vw - 2.5em)); block-size: min(41em, calc(100vh - 7em));
  display: flex; flex-direction: column; overflow: hidden auto;
  background: var(--paper); border: 1px solid var(--line); border-radius: 1.1em; box-shadow: var(--shadow); }
.panel:focus { outline: none; }

.head { display: flex; align-items: center; gap: .75em; padding: .7em .5em .7em 1.1em; background: var(--head);
  color: var(--on-head); flex: none; }
.head div { flex: 1; min-inline-size: 0; }
.head h2 { font-size: 1.0625em; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.head p { font-size: .8125em; opacity: .92; line-height: 1.4; }
.head button { inline-size: 2.75em; block-size: 2.75em; display: grid; place-items: center; flex: none; padding: 0;
  border: 0; border-radius: 50%; background: transparent; color: inherit; }
.head button:hover { background: rgb(255 255 255 / .14); }
.head button:focus-visible { outline-color: currentColor; outline-offset: -3px; }

.log { position: relative; flex: 1 1 auto; min-block-size: 7em; overflow: hidden auto; overscroll-behavior: contain;
  padding: 1em; display: flex; flex-direction: column; gap: .7em; scrollbar-width: thin; }
.log:focus-visible { outline-offset: -3px; }
.messages { display: contents; }
@media (prefers-reduced-motion: no-preference) { .log { scroll-behavior: smooth; } }

.notice { flex: none; padding: .8em .95em; border-radius: .9em; background: var(--tint); font-size: .9375em; }
.notice p + p { margin-block-start: .45em; }
.notice strong { font-weight: 650; }

.row { flex: none; display: flex; flex-direction: column; align-items: flex-start; gap: .45em; max-inline-size: 90%; }
.row.visitor { align-self: flex-end; align-items: flex-end; }
.row.wide { max-inline-size: 100%; align-self: stretch; align-items: stretch; }
.bubble { padding: .6em .9em; border: 1px solid var(--line); border-radius: 1.05em; border-end-start-radius: .3em;
  background: var(--wash); max-inline-size: 100%; }
.visitor .bubble { border-end-start-radius: 1.05em; border-end-end-radius: .3em; background: var(--mine);
  border-color: var(--mine); color: #ffffff; }
.question .bubble { border-inline-start: 3px solid var(--accent); }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.aside { align-self: center; text-align: center; font-size: .875em; color: var(--muted); max-inline-size: 100%;
  padding-inline: .5em; }

.card { padding: .9em 1em; border-radius: .9em; border: 1px solid var(--accent); background: var(--tint); }
.card h3 { display: flex; align-items: center; gap: .5em; margin: 0 0 .4em; font-size: 1em; font-weight: 700;
  line-height: 1.3; }
.reference { margin-block-start: .5em; font-size: .9375em; overflow-wrap: anywhere; }
.reference strong { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, monospace; font-weight: 600; }
.card.safety { border: 2px solid var(--amber); border-inline-start-width: 8px; background: var(--amber-wash); }
.card.safety h3 { color: var(--amber-ink); }
.card.urgent { border-color: var(--red); background: var(--red-wash); }
.card.urgent h3 { color: var(--red-ink); font-size: 1.125em; }
.card.urgent .text { font-weight: 500; }
.links { display: flex; flex-wrap: wrap; gap: .6em; margin-block-start: .8em; }
.links a { display: inline-flex; align-items: center; justify-content: center; min-block-size: 2.75em;
  flex: 1 1 6.5em; padding: .4em 1em; border-radius: 999px; border: 2px solid var(--red); background: var(--red);
  color: var(--on-red); font-weight: 700; text-decoration: none; }
.links a:hover { text-decoration: underline; }
.links a + a { background: transparent; color: var(--red-ink); }
.links a:focus-visible { outline-color: var(--red-ink); }

details { font-size: .8125em; color: var(--muted); margin-block-start: .5em; }
summary { cursor: pointer; min-block-size: 1.85em; display: inline-flex; align-items: center; gap: .4em; border-radius: .3em; }
summary::before { content: "\\203A" / ""; transition: rotate .15s; }
details[open] summary::before { rotate: 90deg; }
details ul { margin: .1em 0 .2em; padding-inline-start: 1.2em; }
details li { overflow-wrap: anywhere; }

.choices { display: flex; flex-wrap: wrap; gap: .5em; flex: none; }
.choice { min-block-size: 2.95em; padding: .4em 1em; border: 1.5px solid var(--accent); border-radius: 1.4em;
  background: var(--paper); color: var(--accent-deep); font-size: .9375em; font-weight: 550; text-align: start;
  line-height: 1.3; overflow-wrap: anywhere; max-inline-size: 100%; }
.choice:hover { background: var(--tint); }
.choice[aria-disabled=true] { cursor: default; border-style: dashed; border-color: var(--edge); color: var(--muted);
  background: transparent; }
.choice.used { border-style: solid; border-color: var(--accent); background: var(--tint); color: var(--ink); }
.choice.used::before { content: "\\2713\\00a0" / ""; }
.starters { flex-direction: column; align-items: flex-start; gap: .5em; }
.starters p { font-size: .875em; color: var(--muted); }

.sending { font-size: .8125em; color: var(--muted); opacity: 0; animation: appear .2s 1.2s forwards; }
.trouble { padding: .7em .9em; border: 1px solid var(--amber); border-radius: .9em; background: var(--amber-wash);
  font-size: .9375em; text-align: start; }
.trouble button { margin-block-start: .55em; min-block-size: 2.95em; padding: .3em 1.3em; border-radius: 999px;
  border: 1.5px solid var(--amber-ink); background: transparent; color: var(--amber-ink); font-weight: 650; }
.trouble button:hover { background: var(--paper); }

.typing { flex: none; display: flex; gap: .3em; padding: .85em .9em; border: 1px solid var(--line);
  border-radius: 1.05em; border-end-start-radius: .3em; background: var(--wash); align-self: flex-start; }
.typing i { inline-size: .45em; block-size: .45em; border-radius: 50%; background: var(--muted); }
@media (prefers-reduced-motion: no-preference) {
  .typing i { animation: breathe 1.4s infinite ease-in-out; }
  .typing i:nth-child(2) { animation-delay: .2s; }
  .typing i:nth-child(3) { animation-delay: .4s; }
  .row, .typing { animation: appear .2s ease-out; }
}
@media (prefers-reduced-motion: reduce) { summary::before { transition: none; } }
@keyframes appear { from { opacity: 0; } to { opacity: 1; } }
@keyframes breathe { 0%, 60%, 100% { opacity: .35; } 30% { opacity: 1; } }

.foot { position: relative; flex: none; padding: .7em .8em .55em; border-block-start: 1px solid var(--line); background: var(--paper); }
.entry { display: flex; align-items: flex-end; gap: .5em; }
textarea { flex: 1; min-inline-size: 0; resize: none; field-sizing: content; min-block-size: 2.75em; max-block-size: 8em;
  padding: .55em .85em; border: 1px solid var(--edge); border-radius: 1.2em; background: var(--paper);
  font-size: max(16px, 1em); line-height: 1.5; }     /* under 16px a phone zooms in on focus */
textarea::placeholder { color: var(--muted); opacity: 1; }
textarea:focus { outline: 3px solid var(--accent); outline-offset: 0; border-color: transparent; }
.send { flex: none; inline-size: 2.75em; block-size: 2.75em; display: grid; place-items: center; padding: 0; border: 0;
  border-radius: 50%; background: var(--accent); color: var(--on-accent); }
.send:hover { background: var(--accent-deep); }
.small { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 0 .8em;
  margin-block-start: .3em; padding-inline: .3em; font-size: .8125em; color: var(--muted); min-block-size: 2em; }
.clear { min-block-size: 2.2em; padding: .2em .4em; border: 0; border-radius: .4em; background: none;
  color: var(--accent-deep); text-decoration: underline; text-underline-offset: .15em; }

@media (max-width: 479.98px), (max-height: 419.98px) {
  .panel { inset: 0; inset-block-start: var(--seen-top, 0px); inset-block-end: auto; inline-size: 100%;
    block-size: var(--seen-height, 100vh); border: 0; border-radius: 0; box-shadow: none; }
  @supports (height: 100dvh) { .panel { block-size: var(--seen-height, 100dvh); } }
  .head { padding-block-start: calc(.7em + env(safe-area-inset-top, 0px)); }
  .foot { padding-block-end: calc(.55em + env(safe-area-inset-bottom, 0px)); }
  .launcher[aria-expanded=true] { display: none; }
}
@media (max-width: 359.98px) { .small { font-size: .75em; } }
@media (max-height: 419.98px) {
  .head { padding-block: .2em; } .head p { display: none; } .log { padding-block: .6em; }
  .foot { padding-block: .4em; }
}
@media (forced-colors: active) {
  .launcher, .send, .links a, .choice, .head button { border: 2px solid ButtonText; }
  .bubble, .notice, .typing { border: 1px solid CanvasText; }
  .visitor .bubble { border-width: 2px; }
  .typing i { background: CanvasText; }
}
`

  /** Make an element: `properties` are DOM properties, or attributes when they hold a dash or are `role`, `for`. */
  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag)
    for (const [name, value] of Object.entries(properties)) {
      if (name === 'role' || name === 'for' || name.includes('-')) element.setAttribute(name, value)
      else element[name] = value
    }
    element.append(...children.filter(Boolean))
    return element
  }

  function icon(name) {
    const space = 'http://www.w3.org/2000/svg'
    const svg = document.createElementNS(space, 'svg')
    svg.setAttribute('viewBox', '0 0 24 24')
    svg.setAttribute('aria-hidden', 'true')
    for (const line of ICONS[name]) {
      const path = document.createElementNS(space, 'path')
      path.setAttribute('d', line)
      svg.append(path)
    }
    return svg
  }

  const said = (who) => make('span', { className: 'unseen', textContent: `${who}: ` })
  const words = (text) => make('p', { className: 'text', dir: 'auto', textContent: text })
  const strings = (list) => (Array.isArray(list) ? list.filter((item) => typeof item === 'string' && item) : [])

  const readable = (list) => (Array.isArray(list) ? list.filter((one) => one && typeof one.text === 'string') : [])

  function newId() {
    if (crypto.randomUUID) return crypto.randomUUID()      // absent on plain http
    const bytes = crypto.getRandomValues(new Uint8Array(16))
    bytes[6] = (bytes[6] & 0x0f) | 0x40
    bytes[8] = (bytes[8] & 0x3f) | 0x80
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  }

  /** Where the token lives. A browser that blocks storage gets a conversation that ends with the page. */
  class TokenShelf {
    #held = null

    get() {
      try { return sessionStorage.getItem(TOKEN_KEY) || this.#held } catch { return this.#held }
    }

    set(token) {
      this.#held = token
      try {
        if (token) sessionStorage.setItem(TOKEN_KEY, token)
        else sessionStorage.removeItem(TOKEN_KEY)
      } catch { /* blocked or full: #held serves until the page goes */ }
    }
  }

  /** The chat API over HTTP. Throws when no answer came; every status the server gave is returned. */
  class FrontDesk {
    #base
    #pending = new Set()

    constructor(base) { this.#base = base.replace(/\/+$/, '') }

    send(token, message) {
      const said = message.payload === undefined ? { text: message.text } : { payload: message.payload }
      return this.#call('POST', '/api/chat', null, { session: token, id: message.id, ...said })
    }

    history(token) { return this.#call('GET', '/api/chat/history', token) }

    forget(token) { return this.#call('DELETE', '/api/chat', token) }

    hangUp() { for (const request of this.#pending) request.abort() }

    async #call(method, path, bearer, body) {
      const request = new AbortController()
      const timer = setTimeout(() => request.abort(), REPLY_TIMEOUT_MS)
      this.#pending.add(request)
      try {
        const headers = { Accept: 'application/json' }
        if (bearer) headers.Authorization = `Bearer ${bearer}`
        if (body) headers['Content-Type'] = 'application/json'
        const response = await fetch(this.#base + path, {
          method, headers, body: body && JSON.stringify(body),
          credentials: 'omit', cache: 'no-store', signal: request.signal,
        })
        const raw = await response.text()
        let parsed = null
        try { parsed = JSON.parse(raw) } catch { /* empty, or a proxy's own error page: the status says enough */ }
        return { status: response.status, retryAfter: response.headers.get('Retry-After'), body: parsed || {} }
      } finally {
        clearTimeout(timer)
        this.#pending.delete(request)
      }
    }
  }

  /** Retry-After (seconds or an HTTP date) in words. */
  function inHowLong(retryAfter) {
    let seconds = Number.parseInt(retryAfter, 10)
    if (Number.isNaN(seconds)) seconds = Math.ceil((Date.parse(retryAfter) - Date.now()) / 1000)
    if (!(seconds > 0)) return 'in a minute'
    if (seconds === 1) return 'in 1 second'
    if (seconds <= 90) return `in ${seconds} seconds`
    return `in ${Math.ceil(seconds / 60)} minutes`
  }

  class KetalinkChat extends HTMLElement {
    #desk
    #token = new TokenShelf()
    #queue = []               // what the visitor sent and the server has not yet seen, in order
    #delivering = null        // promise while the queue is being worked off
    #restored = Promise.resolve()
    #openQuestions = []       // the choices of the question being asked; an older question's are closed
    #launcher; #panel; #log; #notice; #messages; #starters; #typing; #input; #left; #clear

    connectedCallback() {
      if (!this.shadowRoot) {
        this.#build()
        this.#restored = this.#restore()
        if (this.dataset.open === 'true' && matchMedia(ROOM_BESIDE_THE_PAGE).matches) this.#show()
      }
      window.visualViewport?.addEventListener('resize', this.#fitAboveKeyboard)
      window.visualViewport?.addEventListener('scroll', this.#fitAboveKeyboard)
    }

    disconnectedCallback() {
      this.#desk.hangUp()
      window.visualViewport?.removeEventListener('resize', this.#fitAboveKeyboard)
      window.visualViewport?.removeEventListener('scroll', this.#fitAboveKeyboard)
    }

    /** Open the panel and move the focus into it. */
    open() {
      this.#show()
      // On a phone, focus in the text box would cover the notice with a keyboard nobody asked for.
      if (matchMedia(TOUCH).matches) this.#panel.focus()
      else this.#input.focus()
    }

    /** Close the panel; the focus goes back to the launcher. */
    close() {
      this.#panel.hidden = true
      this.#launcher.setAttribute('aria-expanded', 'false')
      this.#launcher.focus()
    }

    get #phone() { return (this.dataset.phone || '').trim() }

    #show() {
      this.#panel.hidden = false
      this.#launcher.setAttribute('aria-expanded', 'true')
      this.#fitAboveKeyboard()
      this.#scrollTo(null, 'instant')
    }

    // ------------------------------------------------------------------ what is on the screen

    #build() {
      this.#desk = new FrontDesk(this.dataset.api || home)
      const root = this.attachShadow({ mode: 'open' })
      try {
        const sheet = new CSSStyleSheet()                  // not an inline style: a strict policy allows it
        sheet.replaceSync(CSS)
        root.adoptedStyleSheets = [sheet]
      } catch {
        root.append(make('style', { textContent: CSS }))   // Safari before 16.4
      }

      this.#launcher = make('button', {
        type: 'button', className: 'launcher', 'aria-expanded': 'false', 'aria-controls': 'panel',
        onclick: () => (this.#panel.hidden ? this.open() : this.close()),
      }, icon('chat'), make('span', { textContent: 'Ask a question' }))

      const head = make('div', { className: 'head' },
        make('div', {},
          make('h2', { id: 'title', textContent: this.dataset.clinicName || 'Your clinic' }),
          make('p', { id: 'subtitle', textContent: 'Chat with the automated assistant' })),
        make('button', { type: 'button', 'aria-label': 'Close chat', onclick: () => this.close() }, icon('close')))

      this.#notice = make('div', { className: 'notice', id: 'notice' },
        make('p', { textContent: 'This is an automated assistant, not a person, and nobody is watching this chat.' }),
        make('p', {}, make('strong', {
          textContent: 'It is not for emergencies: call 911. In a crisis, call or text 988.',
        })))
      this.#messages = make('div', { className: 'messages' })
      this.#starters = make('div', { className: 'choices starters', role: 'group', 'aria-labelledby': 'start' },
        make('p', { id: 'start', textContent: 'You can type a question, or start here:' }),
        ...STARTING_POINTS.map((text) => make('button', {
          type: 'button', className: 'choice', textContent: text,
          onclick: () => { this.#say({ text }); this.#focusAfterChoice() },
        })))
      this.#typing = make('div', { className: 'typing', hidden: true, 'aria-hidden': 'true' },
        make('i'), make('i'), make('i'))
      // The log announces what is added to it. Dots and "Sending" are hidden from it, so that it speaks once a message.
      this.#log = make('div', {
        className: 'log', tabIndex: 0, role: 'log', 'aria-live': 'polite', 'aria-relevant': 'additions',
        'aria-label': 'Conversation',
      }, this.#notice, this.#messages, this.#starters, this.#typing)

      this.#input = make('textarea', {
        id: 'input', rows: 1, maxLength: MAX_LENGTH, placeholder: 'Type your message', enterKeyHint: 'send',
        autocomplete: 'off', 'aria-describedby': 'left',
        onkeydown: (event) => {
          if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
          event.preventDefault()
          this.#sendTyped()
        },
        oninput: () => this.#countDown(),
      })
      this.#left = make('span', { id: 'left' })
      this.#clear = make('button', {
        type: 'button', className: 'clear', textContent: 'Clear this chat', hidden: true, onclick: () => this.#forget(),
      })
      const foot = make('form', {
        className: 'foot', noValidate: true,
        onsubmit: (event) => { event.preventDefault(); this.#sendTyped() },
      },
      make('div', { className: 'entry' },
        make('label', { for: 'input', className: 'unseen', textContent: 'Your message' }),
        this.#input,
        make('button', { type: 'submit', className: 'send', 'aria-label': 'Send' }, icon('send'))),
      make('div', { className: 'small' }, this.#left, this.#clear))

      this.#panel = make('section', {
        id: 'panel', className: 'panel', hidden: true, tabIndex: -1, role: 'dialog', 'aria-modal': 'false',
        'aria-labelledby': 'title subtitle', 'aria-describedby': 'notice',
      }, head, this.#log, foot)

      root.append(make('div', { className: 'root', onkeydown: (event) => this.#keyDown(event) },
        this.#launcher, this.#panel))
      this.#countDown()
    }

    #keyDown(event) {
      event.stopPropagation()                   // single-key shortcuts of the page are not meant for what is typed here
      if (event.key === 'Escape' && !event.isComposing && !this.#panel.hidden) this.close()
    }

    #countDown() {
      const left = MAX_LENGTH - this.#input.value.length
      this.#left.textContent = left > 200 ? 'Emergency 911 · Crisis 988' : `${left} characters left`
    }

    /** Full screen on a phone: keep the panel inside what the on-screen keyboard leaves. Pinch zoom is left alone. */
    #fitAboveKeyboard = () => {
      const seen = window.visualViewport
      if (!seen || this.#panel.hidden || Math.abs(seen.scale - 1) > 0.01) return
      this.#panel.style.setProperty('--seen-top', `${seen.offsetTop}px`)
      this.#panel.style.setProperty('--seen-height', `${seen.height}px`)
    }

    /** Show the newest line, or, when what is new is taller than the log, where it begins. */
    #scrollTo(first, behavior = 'auto') {
      const log = this.#log
      if (!this.#messages.childElementCount) return          // the notice comes first
      const end = log.scrollHeight - log.clientHeight
      const begin = first ? first.offsetTop - 12 : end
      log.scrollTo({ top: Math.min(begin, end), behavior })
    }

    #focusAfterChoice() {
      if (matchMedia(TOUCH).matches) this.#log.focus()
      else this.#input.focus()
    }

    #add(row) {
      this.#starters.hidden = true
      this.#clear.hidden = false
      this.#messages.append(row)
      return row
    }

    #offerStart() {
      this.#starters.hidden = false
      this.#clear.hidden = true
    }

    #aside(text, ...children) {
      const row = this.#add(make('div', { className: 'row aside' }, make('p', { textContent: text }), ...children))
      this.#scrollTo(row)
    }

    #visitorRow(text) {
      return make('div', { className: 'row visitor' },
        make('div', { className: 'bubble' }, said('You'), words(text)))
    }

    /** A message of the assistant as one row, complete before it enters the log, so that it is read out once and whole. */
    #assistantRow(message) {
      const text = message.text
      const kind = typeof message.kind === 'string' ? message.kind : 'say'
      const row = make('div', { className: 'row assistant' })

      if (kind === 'safety') {
        row.classList.add('wide')
        row.append(this.#safetyCard(text, SAFETY[message.level] || SAFETY.medical_advice))
      } else if (kind === 'confirmation') {
        row.classList.add('wide')
        row.append(make('div', { className: 'card' },
          make('h3', {}, icon('check'), 'Request received'), words(text),
          typeof message.lead === 'string' && make('p', { className: 'reference' }, 'Your reference: ',
            make('strong', { textContent: message.lead }))))
      } else {
        if (kind === 'question') row.classList.add('question')
        const sources = strings(message.sources)
        row.append(make('div', { className: 'bubble' }, said('Assistant'), words(text),
          kind === 'answer' && sources.length > 0 && make('details', {},
            make('summary', { textContent: sources.length > 1 ? 'Sources' : 'Source' }),
            make('ul', {}, ...sources.map((source) => make('li', { textContent: source }))))))
      }

      const buttons = (Array.isArray(message.buttons) ? message.buttons : [])
        .filter((button) => button && typeof button.title === 'string' && button.payload !== undefined)
      const choices = buttons.map((button) => this.#choice(button))
      if (choices.length) row.append(make('div', { className: 'choices', role: 'group', 'aria-label': 'Answers' }, ...choices))

      if (kind === 'question' || kind === 'confirmation') {
        for (const choice of this.#openQuestions) choice.setAttribute('aria-disabled', 'true')
        this.#openQuestions = kind === 'question' ? choices : []
        this.#input.autocomplete = FIELD_AUTOCOMPLETE[message.field] || 'off'
      }
      return row
    }

    #safetyCard(text, { heading, icon: picture, links }) {
      return make('div', { className: links.length ? 'card safety urgent' : 'card safety' },
        make('h3', {}, icon(picture), heading), words(text),
        links.length > 0 && make('div', { className: 'links' },
          ...links.map(({ label, href }) => make('a', { href, textContent: label }))))
    }

    /** A quick reply. It stays visible; once used it is marked, and a second click does nothing. */
    #choice({ title, payload }) {
      const choice = make('button', { type: 'button', className: 'choice', textContent: title })
      choice.onclick = () => {
        if (choice.getAttribute('aria-disabled') === 'true') return
        this.#markUsed(choice)
        this.#say({ text: title, payload })
      }
      return choice
    }

    #markUsed(choice) {
      choice.classList.add('used')
      choice.setAttribute('aria-disabled', 'true')
      choice.append(make('span', { className: 'unseen', textContent: ' (chosen)' }))
    }

    #showReplies(messages) {
      const rows = messages.map((message) => this.#assistantRow(message))
      for (const row of rows) this.#add(row)
      return rows
    }

    // ------------------------------------------------------------------ the conversation

    #sendTyped() {
      const text = this.#input.value.trim()
      if (!text) return
      this.#input.value = ''
      this.#countDown()
      this.#say({ text })
    }

    /** Put what the visitor said in the log and in the queue. `payload`: a button's, exactly as it was sent. */
    #say({ text, payload }) {
      const message = { id: newId(), text, payload, row: this.#visitorRow(text), state: null }
      this.#post(message)
    }

    #post(message) {
      message.state?.remove()
      message.state = make('span', { className: 'sending', textContent: 'Sending…', 'aria-hidden': 'true' })
      message.row.append(message.state)
      this.#add(message.row)                    // on a retry too: its answer will stand below it
      this.#queue.push(message)
      this.#delivering ??= this.#deliverAll().finally(() => { this.#delivering = null })
      this.#scrollTo(null)
    }

    async #deliverAll() {
      await this.#restored
      this.#typing.hidden = false
      this.#scrollTo(null)
      while (this.#queue.length) {
        if (await this.#deliver(this.#queue.shift())) continue
        // Answers given in the wrong order would be put in the wrong field: the visitor decides what goes next.
        for (const waiting of this.#queue.splice(0)) this.#fail(waiting, 'Not sent, because the message before it was not.')
      }
      this.#typing.hidden = true
    }

    /** Send one message and show what came of it. Returns false if it did not arrive. */
    async #deliver(message) {
      const token = this.#token.get()
      let answer
      try {
        answer = await this.#desk.send(token, message)
      } catch {
        return this.#fail(message, `Your message could not be sent. ${this.#otherWays()}`)
      }
      const { status, body } = answer
      if (status === 401 && token) {
        this.#token.set(null)
        this.#openQuestions = []
        delete message.payload                  // belonged to the old conversation; its title still means something
        this.#aside('Your earlier chat has ended, so this is a new one.')
        return this.#deliver(message)
      }
      if (typeof body.session === 'string' && body.session) this.#token.set(body.session)
      const replies = readable(body.messages)
      if (status === 200 && replies.length) {
        message.state.remove()
        this.#scrollTo(this.#showReplies(replies)[0])
        return true
      }
      if (status === 413 || status === 400) {
        const why = status === 413 ? 'That message is too long: 2,000 characters at most. Please shorten it.' : body.detail
        return this.#fail(message, why || 'That message could not be read. Please word it differently.', 'Edit')
      }
      if (status === 429) {
        return this.#fail(message,
          `That was a lot of messages at once. Please try again ${inHowLong(answer.retryAfter)}. ${URGENT}`)
      }
      if (replies.length) this.#showReplies(replies)         // the assistant is down: who to call, and 988
      return this.#fail(message, replies.length ? body.detail || 'Your message was not answered.'
        : `${body.detail || 'The assistant cannot answer right now.'} ${this.#otherWays()}`)
    }

    #otherWays() {
      return `Please try again, or reach ${this.#phone ? `the clinic at ${this.#phone}` : 'the clinic by phone'}. ${URGENT}`
    }

    #fail(message, why, action = 'Retry') {
      const again = make('button', { type: 'button', textContent: action })
      again.onclick = () => {
        if (action === 'Edit') {
          message.row.remove()
          this.#input.value = message.text
          this.#countDown()
        } else {
          this.#post(message)                   // the same id: if it did arrive, it is not done twice
        }
        this.#input.focus()
      }
      message.state.remove()
      message.state = make('div', { className: 'trouble' }, make('p', { textContent: why }), again)
      message.row.append(message.state)
      this.#scrollTo(null)
      return false
    }

    /** Bring back the conversation of this browser tab, if there is one. */
    async #restore() {
      const token = this.#token.get()
      if (!token) return
      let answer = { status: 0, body: {} }
      try { answer = await this.#desk.history(token) } catch { /* no answer: said below */ }
      if (answer.status === 200 && Array.isArray(answer.body.messages)) {
        this.#showHistory(answer.body.messages)
      } else if (answer.status === 401) {
        this.#token.set(null)
        this.#aside('Your earlier chat has ended. You can start a new one.')
        this.#offerStart()
      } else {
        const again = make('button', { type: 'button', className: 'choice', textContent: 'Load them again' })
        again.onclick = () => {
          again.parentElement.remove()
          this.#input.focus()
          this.#restored = Promise.resolve(this.#delivering).then(() => this.#restore())
        }
        this.#aside(`Your earlier messages could not be loaded. ${URGENT}`, again)
      }
    }

    #showHistory(messages) {
      this.#log.setAttribute('aria-live', 'off')             // nobody wants the whole of it read out
      const unsent = [...this.#messages.children].filter((row) => row.querySelector('.sending, .trouble'))
      this.#messages.replaceChildren()                       // all else that is shown is in the history too
      let choices = []
      for (const message of readable(messages)) {
        if (message.from === 'visitor') {
          const text = message.text
          const used = choices.find((choice) => choice.textContent === text)
          if (used) this.#markUsed(used)
          choices = []
          this.#add(this.#visitorRow(text))
        } else {
          const row = this.#add(this.#assistantRow(message))
          choices.push(...row.querySelectorAll('.choice'))
        }
      }
      this.#messages.append(...unsent)
      this.#scrollTo(null, 'instant')
      setTimeout(() => this.#log.setAttribute('aria-live', 'polite'), 1000)
    }

    /** "Clear this chat": forgotten on the server first, then here. */
    async #forget() {
      if (this.#clear.getAttribute('aria-disabled') === 'true') return
      this.#clear.setAttribute('aria-disabled', 'true')
      const unsent = this.#queue.splice(0)
      await this.#delivering                                 // its answer may bring the token that has to go
      const token = this.#token.get()
      let gone = !token
      try {
        if (token) {
          const { status } = await this.#desk.forget(token)
          gone = (status >= 200 && status < 300) || status === 401 || status === 404
        }
      } catch { /* no answer: said below */ }
      this.#clear.removeAttribute('aria-disabled')
      if (!gone) {
        for (const message of unsent) this.#fail(message, 'Not sent.')
        this.#aside('The chat could not be cleared just now. Please try again.')
        return
      }
      this.#token.set(null)
      this.#openQuestions = []
      this.#input.autocomplete = 'off'
      this.#messages.replaceChildren()
      this.#aside('This chat was cleared.')
      this.#offerStart()
      this.#log.scrollTop = 0
      this.#input.focus()
    }
  }

  customElements.define(TAG, KetalinkChat)

  function embed() {
    if (document.querySelector(TAG)) return                  // the page placed one itself
    const chat = document.createElement(TAG)
    for (const name of ['clinicName', 'api', 'open', 'phone']) {
      if (script.dataset[name] !== undefined) chat.dataset[name] = script.dataset[name]
    }
    document.body.append(chat)
  }
  if (script && document.body) embed()
  else if (script) document.addEventListener('DOMContentLoaded', embed)
})()
