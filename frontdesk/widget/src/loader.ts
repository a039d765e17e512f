/**
 * The one tag that a page needs; docs/embedding.md has its options:
 *
 *   <script src="https://desk.example/widget.js" async></script>
 *
 * It puts a button on the page, and fetches the chat when somebody wants it.
 */

import languages from 'texts:loader'
import sheet from './loader.css'
import { forgetHere, rememberOpen, wasOpen } from './session.js'
import type { ChatPanel } from './panel.js'

const TAG = 'ketalink-chat'
const PHONE_SIZED = '(max-width: 479.98px), (max-height: 419.98px)'
const SECOND_ESCAPE_MS = 1_000
const NEUTRAL_PAGE = 'https://www.weather.gov/'
const URGENT = '911 · 988'

const script = document.currentScript as HTMLScriptElement | null
const home = script?.src ? new URL(script.src).origin : location.origin

class KetalinkChat extends HTMLElement {
  #root!: ShadowRoot
  #launcher!: HTMLButtonElement
  #panel: ChatPanel | null = null
  #loading = false
  #attempts = 0
  #escapedAt = -Infinity

  get #texts(): (typeof languages)['en'] {
    const language = this.dataset.lang || document.documentElement.lang
    return { ...languages.en, ...(languages as Record<string, object>)[language.toLowerCase().split('-')[0]!] }
  }

  connectedCallback(): void {
    if (!this.shadowRoot) this.#build()
    document.addEventListener('keydown', this.#secondEscape, true)
    addEventListener('popstate', this.#back)
    // What stands in for the chat where it cannot run has done its part.
    for (const line of document.querySelectorAll<HTMLElement>('[data-ketalink-fallback]')) line.hidden = true
    const { open } = this.dataset
    if (open === 'full' || ((open === 'true' || wasOpen()) && !matchMedia(PHONE_SIZED).matches)) void this.open(false)
  }

  disconnectedCallback(): void {
    document.removeEventListener('keydown', this.#secondEscape, true)
    removeEventListener('popstate', this.#back)
  }

  /** Open the chat. */
  async open(focus = true): Promise<void> {
    if (this.#loading) return
    this.#root.querySelector('.failed')?.remove()
    this.#launcher.setAttribute('aria-expanded', 'true')
    if (!this.#panel) {
      this.#loading = true
      try {
        await import(this.#chat())
      } catch {
        this.#failed()
        return
      } finally {
        this.#loading = false
      }
      this.#panel = this.#makePanel()
      this.#root.append(this.#panel)
    }
    this.#panel.hidden = false
    rememberOpen(true)
    if (focus) this.#panel.focus()
    // On a phone the chat is the whole screen, and Back is how one leaves a screen.
    if (focus && matchMedia(PHONE_SIZED).matches) history.pushState({ ...history.state, ketalink: true }, '')
  }

  /** Close the chat; the focus goes back to the button. */
  close(): void {
    if (this.dataset.open === 'full') return
    if (history.state?.ketalink) history.back()
    this.#hide()
  }

  #hide(): void {
    rememberOpen(false)
    if (this.#panel) this.#panel.hidden = true
    this.#launcher.setAttribute('aria-expanded', 'false')
    this.#launcher.focus()
  }

  #chat(): string {
    this.#attempts += 1
    const again = this.#attempts > 1 ? `&again=${this.#attempts}` : '' // some browsers remember a failed import
    return `${this.#api}/widget/chat.js?v=${PANEL_VERSION}${again}`
  }

  get #api(): string {
    return (this.dataset.api || home).replace(/\/+$/, '')
  }

  #build(): void {
    const root = (this.#root = this.attachShadow({ mode: 'open' }))
    try {
      const style = new CSSStyleSheet() // not an inline style: a strict policy allows it
      style.replaceSync(sheet)
      root.adoptedStyleSheets = [style]
    } catch {
      root.append(make('style', sheet)) // Safari before 16.4
    }
    this.#paint()
    const launcher = (this.#launcher = make('button', ''))
    launcher.type = 'button'
    launcher.className = 'launcher'
    launcher.setAttribute('aria-expanded', 'false')
    launcher.append(bubble(), make('span', this.dataset.label || this.#texts.open))
    launcher.onclick = () => (this.#panel && !this.#panel.hidden ? this.close() : void this.open())
    if (this.dataset.open === 'full') launcher.hidden = true
    root.append(launcher)
  }

  #makePanel(): ChatPanel {
    const panel = document.createElement('ketalink-chat-panel') as ChatPanel
    const { name = '', phone = '', greeting = '', logo = '', lang, side, theme } = this.dataset
    Object.assign(panel, { base: this.#api, clinic: name, phone, greeting, logo })
    panel.language = lang || document.documentElement.lang || 'en'
    if (side) panel.setAttribute('side', side)
    if (this.dataset.open === 'full') panel.setAttribute('full', '')
    const dark = matchMedia('(prefers-color-scheme: dark)')
    const paint = () => panel.setAttribute('scheme', theme || (dark.matches ? 'dark' : 'light'))
    dark.addEventListener('change', paint)
    paint()
    panel.addEventListener('ketalink-close', () => {
      this.#escapedAt = performance.now()
      this.close()
    })
    panel.addEventListener('ketalink-leave', () => this.#leave())
    return panel
  }

  /** The clinic's colour, with black or white on it, whichever can be read. */
  #paint(): void {
    const { accent } = this.dataset
    if (!accent || !CSS.supports('color', accent)) return
    const probe = make('i', '')
    probe.style.color = accent
    document.body.append(probe)
    const parts = getComputedStyle(probe).color.match(/[\d.]+/g)?.map(Number) ?? []
    probe.remove()
    const [red = 0, green = 0, blue = 0] = parts.map((part) => ((part / 255 + 0.055) / 1.055) ** 2.4)
    const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    this.style.setProperty('--ketalink-accent', accent)
    this.style.setProperty('--ketalink-on-accent', light > 0.18 ? '#000' : '#fff')
  }

  #failed(): void {
    const { phone } = this.dataset
    const line = make('p', `${this.#texts.failed} `)
    line.className = 'failed'
    line.setAttribute('role', 'alert')
    if (phone) {
      const call = make('a', this.#texts.call.replace('{phone}', phone))
      call.href = `tel:${phone.replace(/[^\d+]/g, '')}`
      line.append(call, ' ')
    }
    line.append(URGENT)
    this.#launcher.setAttribute('aria-expanded', 'false')
    this.#root.append(line)
  }

  #back = (): void => {
    if (this.#panel && !this.#panel.hidden && matchMedia(PHONE_SIZED).matches) this.#hide()
  }

  #secondEscape = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && performance.now() - this.#escapedAt < SECOND_ESCAPE_MS) this.#leave()
  }

  /** Somebody came in who should not see this. */
  #leave(): void {
    forgetHere()
    this.hidden = true
    location.replace(this.dataset.exit || NEUTRAL_PAGE)
  }
}

function make<Name extends keyof HTMLElementTagNameMap>(name: Name, text: string): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  element.textContent = text
  return element
}

function bubble(): SVGElement {
  const space = 'http://www.w3.org/2000/svg'
  const svg = document.createElementNS(space, 'svg')
  svg.setAttribute('viewBox', '0 0 24 24')
  svg.setAttribute('aria-hidden', 'true')
  const path = document.createElementNS(space, 'path')
  path.setAttribute('d', 'M4 5h16v11H9.5L5 20v-4H4zM8 9h8M8 12.2h5')
  svg.append(path)
  return svg
}

function embed(): void {
  if (document.querySelector(TAG)) return // the tag is on the page twice, or the page placed one itself
  const chat = document.createElement(TAG)
  // Of two tags the first counts, whichever of them arrives first.
  const first = [...document.scripts].find(({ src }) => src === script?.src) ?? script
  Object.assign(chat.dataset, first?.dataset)
  document.body.append(chat)
}

// An old browser keeps the phone link that the page has in the chat's place.
if ('customElements' in window && 'attachShadow' in Element.prototype && !customElements.get(TAG)) {
  customElements.define(TAG, KetalinkChat)
  if (document.body) embed()
  else document.addEventListener('DOMContentLoaded', embed)
}
