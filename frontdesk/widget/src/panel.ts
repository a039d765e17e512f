/** `<ketalink-chat-panel>`: the open chat. Loaded when somebody opens it. */

import { LitElement, css, html, nothing, unsafeCSS, type TemplateResult } from 'lit'
import { repeat } from 'lit/directives/repeat.js'
import type { Reply } from './api.js'
import { Conversation, type Line } from './conversation.js'
import { icon } from './icons.js'
import { lineOf, type Surroundings } from './lines.js'
import sheet from './panel.css'
import { link, tel } from './text.js'
import { filled, textsIn, type Texts } from './texts.js'

const FEW_LEFT = 200
const LONGEST = 2_000
const TYPING_AFTER_MS = 350
const AUTOCOMPLETE: Record<string, string> = { full_name: 'name', phone: 'tel', email: 'email' }
const NEAR_THE_END_PX = 80

export class ChatPanel extends LitElement {
  static override styles = css`${unsafeCSS(sheet)}`
  static override properties = {
    clinic: {}, phone: {}, greeting: {}, logo: {}, language: {},
    draft: { state: true }, typing: { state: true }, clearing: { state: true },
  }

  base = ''
  declare clinic: string
  declare phone: string
  declare greeting: string
  declare logo: string
  declare language: string
  declare private draft: string
  declare private typing: boolean
  declare private clearing: boolean
  #conversation!: Conversation
  #around!: Surroundings
  #typingTimer = 0
  #shown = 0
  #follow = true // the newest line is in view, so it stays so

  constructor() {
    super()
    this.draft = ''
    this.typing = this.clearing = false
  }

  override connectedCallback(): void {
    super.connectedCallback()
    this.#conversation = new Conversation(this.base, () => this.#changed(), (replies) => this.#announce(replies))
    this.#around = {
      texts: this.#texts,
      used: new Set(),
      openQuestion: null,
      press: ({ title, payload }) => this.#say(title, payload),
      say: (text) => this.#say(text),
      retry: (message) => { this.#conversation.retry(message); this.#input?.focus() },
      edit: (message) => {
        this.draft = this.#conversation.takeBack(message)
        void this.updateComplete.then(() => this.#input?.focus())
      },
      rate: (reply, helpful) => {
        void this.#conversation.rate(reply, helpful)
        if (helpful !== null) this.#speak(this.#texts.thanks)
      },
      reload: () => void this.#conversation.sync(),
    }
    void this.#conversation.start()
    window.visualViewport?.addEventListener('resize', this.#fit)
    window.visualViewport?.addEventListener('scroll', this.#fit)
    this.#fit()
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#conversation.close()
    clearTimeout(this.#typingTimer)
    window.visualViewport?.removeEventListener('resize', this.#fit)
    window.visualViewport?.removeEventListener('scroll', this.#fit)
  }

  /** Give the focus to the text box, or on a phone, where that would bring up a keyboard nobody asked for, to the panel. */
  override focus(): void {
    void this.updateComplete.then(() => {
      this.#scrollToEnd()
      if (matchMedia('(pointer: coarse)').matches) this.#find('.panel')?.focus()
      else this.#input?.focus()
    })
  }

  get #texts(): Texts {
    return textsIn(this.language || 'en')
  }

  get #phone(): string {
    return this.#conversation.welcome?.clinic.phone ?? this.phone ?? ''
  }

  get #longest(): number {
    return this.#conversation.welcome?.longest_message ?? LONGEST
  }

  get #input(): HTMLTextAreaElement | null {
    return this.renderRoot.querySelector('textarea')
  }

  #find(selector: string): HTMLElement | null {
    return this.renderRoot.querySelector(selector)
  }

  // ------------------------------------------------------------------ what it looks like

  override render(): TemplateResult {
    const texts = this.#texts
    const lines = this.#conversation.lines
    return html`<section class="panel" id="panel" role="dialog" aria-modal="false" aria-labelledby="title" tabindex="-1"
      @keydown=${this.#keyDown}>
      ${this.#head(texts)}
      <div class="log" role="region" aria-label=${texts.conversation} tabindex="0" @scroll=${this.#scrolled}>
        ${this.#notice(texts)}
        <ol>${repeat(lines, ({ key }) => key, (line) => lineOf(line, this.#around))}</ol>
        ${lines.some(({ what }) => what !== 'notice') ? nothing : this.#start(texts)}
        ${this.typing ? html`<div class="typing" aria-hidden="true"><i></i><i></i><i></i></div>` : nothing}
      </div>
      ${this.#trouble(texts)}
      ${this.#foot(texts, lines)}
      <div class="unseen" id="polite" aria-live="polite"></div>
      <div class="unseen" id="urgent" aria-live="assertive"></div>
    </section>`
  }

  #head(texts: Texts): TemplateResult {
    return html`<div class="head">
      ${this.logo ? html`<img src=${this.logo} alt="" />` : nothing}
      <div>
        <h2 id="title">${this.clinic || texts.title}</h2>
        <p>${texts.subtitle}</p>
      </div>
      <button type="button" aria-label=${texts.exit} title=${texts.exit_hint} @click=${this.#leave}>${icon('leave')}</button>
      ${this.hasAttribute('full') ? nothing : html`<button type="button" aria-label=${texts.close}
          @click=${this.#close}>${icon('close')}</button>`}
    </div>`
  }

  #notice(texts: Texts): TemplateResult {
    const clinic = this.#conversation.welcome?.clinic.name || this.clinic || texts.our_clinic
    return html`<div class="notice">
      ${this.greeting ? html`<p>${this.greeting}</p>` : nothing}
      <p>${filled(texts.notice, { clinic })} <strong>${texts.urgent}</strong></p>
      <p class="small">${texts.privacy}</p>
    </div>`
  }

  #start(texts: Texts): TemplateResult | typeof nothing {
    const { questions, request } = this.#conversation.welcome ?? { questions: [], request: '' }
    if (!questions.length) return nothing
    return html`<div class="choices starters" role="group" aria-labelledby="start">
      <p id="start">${texts.start}</p>
      ${questions.map((text) => html`<button type="button" class="choice" @click=${() => this.#say(text)}>${text}</button>`)}
      <button type="button" class="choice main" @click=${() => this.#say(request)}>${request}</button>
    </div>`
  }

  #trouble(texts: Texts): TemplateResult | typeof nothing {
    if (this.#conversation.connected && navigator.onLine) return nothing
    const phone = this.#phone
    const [before, after] = texts.call_us.split('{phone}')
    return html`<p class="offline" role="status">
      ${texts.offline} ${phone ? html`${before}${link(tel(phone), phone)}${after}` : nothing} ${texts.urgent}
    </p>`
  }

  #foot(texts: Texts, lines: Line[]): TemplateResult {
    const left = this.#longest - this.draft.length
    const said = lines.some(({ what }) => what === 'said' || what === 'reply')
    const [before, between, after] = texts.safety_line.split(/\{911\}|\{988\}/)
    return html`<form @submit=${this.#submit} novalidate>
      <div class="entry">
        <label class="unseen" for="input">${texts.input}</label>
        <textarea id="input" rows="1" enterkeyhint="send" aria-describedby="left"
          autocomplete=${AUTOCOMPLETE[this.#around.openQuestion?.field ?? ''] ?? 'off'}
          placeholder=${texts.placeholder} .value=${this.draft} @input=${this.#typed} @keydown=${this.#keyInBox}></textarea>
        <button type="submit" class="send" aria-label=${texts.send}>${icon('send')}</button>
      </div>
      <div class="small">
        <span id="left" role=${left < 0 ? 'alert' : nothing}>${left < 0
          ? filled(texts.too_long, { count: -left })
          : left < FEW_LEFT
            ? filled(texts.characters_left, { count: left })
            : html`${before}${link('tel:911', '911')}${between}${link('tel:988', '988')}${after}`}</span>
        ${said ? html`<button type="button" class="clear" aria-disabled=${this.clearing ? 'true' : nothing}
            @click=${this.#clear}>${icon('bin')} ${texts.clear}</button>` : nothing}
      </div>
    </form>`
  }

  override updated(): void {
    const log = this.#find('.log')
    const lines = log?.querySelectorAll<HTMLElement>('ol > li') ?? []
    if (!log || lines.length === this.#shown) {
      if (this.#follow) this.#scrollToEnd()
      return
    }
    const first = lines[this.#shown] // of what is new: when it is taller than the log, reading begins at its top
    const jump = this.#shown === 0
    this.#shown = lines.length
    if (!this.#follow && !first?.matches('.visitor')) return
    const end = log.scrollHeight - log.clientHeight
    const top = jump || !first || first.matches('.visitor') ? end : Math.min(end, first.offsetTop - 12)
    log.scrollTo({ top, behavior: jump ? 'instant' : 'auto' })
  }

  // ------------------------------------------------------------------ what it does

  #changed(): void {
    const lines = this.#conversation.lines
    this.#around.texts = this.#texts
    this.#around.used = new Set(
      lines.flatMap((line) => (line.what === 'said' ? line.said.payload : line.what === 'outgoing' ? line.message.payload : null) ?? []),
    )
    const replies = lines.flatMap((line) => (line.what === 'reply' ? line.reply : []))
    const latest = replies.filter(({ kind }) => kind === 'question' || kind === 'confirmation').at(-1)
    this.#around.openQuestion = latest?.kind === 'question' ? latest : null
    if (!this.#conversation.isSending) {
      clearTimeout(this.#typingTimer)
      this.#typingTimer = 0
      this.typing = false
    } else {
      this.#typingTimer ||= window.setTimeout(() => (this.typing = true), TYPING_AFTER_MS)
    }
    this.requestUpdate()
  }

  /** Have each reply read out once and whole, danger before anything else. */
  #announce(replies: Reply[]): void {
    const { assistant, choices_said } = this.#texts
    const words = (reply: Reply) => {
      const choices = reply.buttons?.map(({ title }) => title).join(', ')
      return `${reply.text.replace(/\*\*|\[|\]\([^)]*\)/g, '')} ${choices ? filled(choices_said, { choices }) : ''}`
    }
    const urgent = replies.some(({ kind }) => kind === 'safety')
    if (replies.length) this.#speak(`${assistant} ${replies.map(words).join(' ')}`, urgent ? 'urgent' : 'polite')
  }

  #speak(text: string, where: 'polite' | 'urgent' = 'polite'): void {
    const line = document.createElement('p') // a new node: the same words are read out again
    line.textContent = text
    this.#find(`#${where}`)?.replaceChildren(line)
  }

  #say(text: string, payload?: string): void {
    this.#follow = true
    this.#conversation.send(text, payload)
    if (matchMedia('(pointer: coarse)').matches) this.#find('.log')?.focus()
    else this.#input?.focus()
  }

  #submit = (event: Event): void => {
    event.preventDefault()
    const text = this.draft.trim()
    if (!text) return // what is too long goes too: the server looks for danger in it before it refuses it
    this.draft = ''
    this.#follow = true
    this.#conversation.send(text)
  }

  #typed = (event: Event): void => {
    this.draft = (event.target as HTMLTextAreaElement).value
  }

  #keyInBox = (event: KeyboardEvent): void => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
    this.#submit(event)
  }

  #keyDown = (event: KeyboardEvent): void => {
    event.stopPropagation() // single-key shortcuts of the page are not meant for what is typed here
    if (event.key === 'Escape' && !event.isComposing) this.#close()
  }

  #close = (): void => void this.dispatchEvent(new Event('ketalink-close'))

  #leave = (): void => void this.dispatchEvent(new Event('ketalink-leave'))

  #clear = async (): Promise<void> => {
    if (this.clearing) return
    this.clearing = true
    const cleared = await this.#conversation.clear()
    this.clearing = false
    this.#speak(cleared ? this.#texts.cleared : this.#texts.not_cleared)
    this.#shown = 0
    this.#input?.focus()
  }

  #scrolled = (): void => {
    const log = this.#find('.log')
    if (log) this.#follow = log.scrollHeight - log.clientHeight - log.scrollTop < NEAR_THE_END_PX
  }

  #scrollToEnd(): void {
    const log = this.#find('.log')
    if (log && this.#conversation.lines.length) log.scrollTo({ top: log.scrollHeight, behavior: 'instant' })
  }

  /** Full screen on a phone: stay inside what the on-screen keyboard leaves. Pinch zoom is left alone. */
  #fit = (): void => {
    const seen = window.visualViewport
    if (!seen || Math.abs(seen.scale - 1) > 0.01) return
    this.style.setProperty('--seen-top', `${seen.offsetTop}px`)
    this.style.setProperty('--seen-height', `${seen.height}px`)
  }
}

customElements.define('ketalink-chat-panel', ChatPanel)
