/**
 * One conversation: what was said, what is on its way, and getting it there. Nothing is lost and nothing is done twice:
 * each message keeps its own id until its answer is here, and the server answers an id once.
 */

import { ChatApi, Refusal, Unreachable, type Entry, type Reply, type Said, type Welcome } from './api.js'
import { SessionKeeper } from './session.js'

/** A message of the visitor that has no answer yet. */
export interface Outgoing {
  id: string
  text: string
  payload?: string
  state: 'sending' | 'waiting' | 'limited' | 'unanswered' | 'refused'
  detail?: string // the server's own words
  seconds?: number // until it goes out again
  tries: number
}

/** What the page itself has to say, by the name of its text. */
export type Notice = 'ended' | 'cleared' | 'not_cleared' | 'not_loaded' | 'not_arrived'

export type Line =
  | { what: 'said'; key: string; said: Said }
  | { what: 'reply'; key: string; reply: Reply }
  | { what: 'outgoing'; key: string; message: Outgoing }
  | { what: 'notice'; key: string; notice: Notice }

/** When a page looks again for what the page before it had sent. */
const LOOK_AGAIN_MS = [300, 600, 1_200, 2_400, 4_800]
type Outcome = 'heard' | 'again' | 'limited' | 'unreachable'

const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 30_000
const UNANSWERED_TRIES = 4
/** In how many new conversations a message is tried when each is said to have ended. */
const MOST_CONVERSATIONS = 3
const TO_SEND = new Set(['sending', 'waiting', 'limited'])
/** How long a new message waits for the one before it, so that a cry for help is not held up. */
const IN_ORDER_MS = 2_000

export class Conversation {
  welcome: Welcome | null = null
  /** Whether the latest request got through. */
  connected = true
  #api: ChatApi
  #session: SessionKeeper
  #earlier: Line[] = [] // of conversations that ended while the page was open
  #entries = new Map<number, Entry>() // by their place
  #asides: { after: number; line: Line }[] = []
  #outgoing: Outgoing[] = []
  #underWay = new Set<Outgoing>()
  #delivery: Promise<void> | null = null
  #triesAll = false
  #timer = 0
  #epoch = 0 // counts conversations, so that an answer to an earlier one is known as such
  #numbered = 0
  #loaded = false
  #onChange: () => void
  #onReplies: (replies: Reply[]) => void

  constructor(base: string, onChange: () => void, onReplies: (replies: Reply[]) => void) {
    this.#api = new ChatApi(base)
    this.#session = new SessionKeeper()
    this.#session.onChanged = () => void this.sync()
    this.#session.onCleared = () => this.#cleared()
    this.#onChange = onChange
    this.#onReplies = onReplies
    addEventListener('online', this.#wake)
    addEventListener('offline', this.#wake)
    addEventListener('pageshow', this.#wake)
    document.addEventListener('visibilitychange', this.#wake)
    addEventListener('beforeunload', this.#warn)
    addEventListener('pagehide', this.#hurry)
  }

  close(): void {
    removeEventListener('online', this.#wake)
    removeEventListener('offline', this.#wake)
    removeEventListener('pageshow', this.#wake)
    document.removeEventListener('visibilitychange', this.#wake)
    removeEventListener('beforeunload', this.#warn)
    removeEventListener('pagehide', this.#hurry)
    clearTimeout(this.#timer)
    this.#api.hangUp()
    this.#session.close()
  }

  get isEmpty(): boolean {
    return !this.lines.length
  }

  get isSending(): boolean {
    return this.#outgoing.some((message) => message.state === 'sending')
  }

  /** Everything to show, in order. */
  get lines(): Line[] {
    const unsent = new Set(this.#outgoing.map((message) => message.id))
    const lines = [...this.#earlier]
    const asides = [...this.#asides]
    for (const [place, entry] of [...this.#entries].sort(([one], [other]) => one - other)) {
      while (asides.length && asides[0]!.after < place) lines.push(asides.shift()!.line)
      if (entry.from === 'assistant') lines.push({ what: 'reply', key: `r${place}`, reply: entry })
      else if (!entry.id || !unsent.has(entry.id)) lines.push({ what: 'said', key: `v${entry.id ?? place}`, said: entry })
    }
    lines.push(...asides.map((aside) => aside.line))
    lines.push(...this.#outgoing.map((message): Line => ({ what: 'outgoing', key: `v${message.id}`, message })))
    return lines
  }

  /** Bring back what was said, if there is something, and learn what a new conversation begins with. */
  async start(): Promise<void> {
    await this.#session.adopt()
    await this.sync()
    void this.#lookForSent()
    await this.#greet()
  }

  /** What the page before this one sent may arrive after this one asked what was said. */
  async #lookForSent(): Promise<void> {
    const epoch = this.#epoch
    const isMissing = (id: string) => ![...this.#entries.values()].some((entry) => entry.id === id)
    for (const pause of LOOK_AGAIN_MS) {
      if (!this.#session.underWay.some(isMissing)) break
      await new Promise((resolve) => setTimeout(resolve, pause))
      if (epoch !== this.#epoch) break
      await this.sync()
    }
    if (epoch === this.#epoch && this.#session.underWay.some(isMissing)) this.#aside({ notice: 'not_arrived' })
    this.#session.underWay = []
  }

  /** Send words, or a button: its title and its payload. */
  send(text: string, payload?: string): void {
    const message: Outgoing = { id: newId(), text, payload, state: 'sending', tries: 0 }
    this.#outgoing.push(message)
    this.#onChange()
    void this.#deliver(true)
    setTimeout(() => {
      if (this.#delivery && message.state === 'sending') void this.#deliverOne(message)
    }, IN_ORDER_MS)
  }

  retry(message: Outgoing): void {
    message.state = 'sending'
    message.tries = 0
    this.#onChange()
    void this.#deliver(true)
  }

  /** Take a message back that was refused; its words belong to the visitor again. */
  takeBack(message: Outgoing): string {
    this.#drop(message)
    this.#onChange()
    return message.text
  }

  async rate(reply: Reply, helpful: boolean | null): Promise<void> {
    const before = reply.helpful
    const show = (value?: boolean) => {
      reply.helpful = value
      this.#onChange()
    }
    show(helpful ?? undefined)
    try {
      await this.#api.rate(this.#session.token ?? '', reply.id ?? '', helpful)
    } catch {
      show(before)
    }
  }

  /** Forget the conversation, on the server first, then here. Tell whether that worked. */
  async clear(): Promise<boolean> {
    await this.#delivery // a first message that arrives after this would begin the conversation again
    const token = this.#session.token
    try {
      if (token) await this.#api.forget(token)
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 401)) {
        this.#aside({ notice: 'not_cleared' })
        return false
      }
    }
    this.#cleared()
    this.#session.tellCleared()
    return true
  }

  /** Learn what was said in the meantime: in another tab, or before an answer got lost. */
  async sync(): Promise<void> {
    const token = this.#session.token
    const epoch = this.#epoch
    if (!token) return
    try {
      const { entries } = await this.#api.history(token, this.#contiguous())
      if (epoch === this.#epoch) this.#take(entries)
    } catch (error) {
      if (epoch !== this.#epoch) return
      if (error instanceof Refusal && error.status === 401) this.#ended()
      else {
        this.connected = !(error instanceof Unreachable)
        if (!this.#loaded && !this.#asides.some(({ line }) => line.what === 'notice' && line.notice === 'not_loaded'))
          this.#aside({ notice: 'not_loaded' })
      }
      this.#onChange()
    }
  }

  // ------------------------------------------------------------------ getting it there

  #wake = (): void => {
    this.#onChange() // what is said of the connection
    if (document.visibilityState === 'hidden' || !navigator.onLine) return
    for (const message of this.#outgoing) if (message.state === 'waiting') message.state = 'sending'
    void this.#deliver()
    if (this.#loaded) void this.sync()
  }

  /** The page goes: what still waits its turn is sent at once, and the next page looks for all of it. */
  #hurry = (): void => {
    this.#session.underWay = this.#outgoing.map(({ id }) => id)
    for (const message of this.#outgoing) if (message.state === 'sending') void this.#deliverOne(message)
  }

  /** Leaving now would lose what cannot be sent. */
  #warn = (event: BeforeUnloadEvent): void => {
    const stuck = (message: Outgoing) => message.state === 'waiting' || message.state === 'limited'
    if (this.#outgoing.some(stuck) || (this.#outgoing.length && !this.#session.token)) event.preventDefault()
  }

  /**
   * Send what is to be sent, one after the other: answers given in another order would be taken for answers to other
   * questions. `all`: a new message is tried even behind one that has to wait, because it may be a cry for help.
   */
  #deliver(all = false): Promise<void> {
    this.#triesAll ||= all
    return (this.#delivery ??= this.#deliverAll().finally(() => {
      this.#delivery = null
      this.#triesAll = false
      for (const message of this.#outgoing)
        if (message.state === 'sending' && !this.#underWay.has(message)) message.state = 'waiting'
      this.#schedule()
      this.#onChange()
    }))
  }

  async #deliverAll(): Promise<void> {
    clearTimeout(this.#timer)
    const tried = new Set<Outgoing>()
    for (;;) {
      const next = this.#outgoing.find((message) => !tried.has(message) && TO_SEND.has(message.state))
      if (!next) return
      tried.add(next)
      const outcome = await this.#deliverOne(next)
      if (outcome === 'again') tried.delete(next)
      if (outcome === 'unreachable' || (outcome === 'limited' && !this.#triesAll)) return
    }
  }

  async #deliverOne(message: Outgoing): Promise<Outcome> {
    if (this.#underWay.has(message) || !this.#outgoing.includes(message)) return 'heard'
    const epoch = this.#epoch
    // Overtaken on the way, the server puts the two in order.
    const before = [...this.#underWay].at(-1)?.id ?? this.#session.underWay.at(-1)
    message.state = 'sending'
    this.#underWay.add(message)
    this.#onChange()
    try {
      this.#session.token ??= (this.welcome ??= await this.#api.welcome()).session
      const sent = await this.#api.send(this.#session.token, message.id, said(message), before)
      this.connected = true
      if (epoch !== this.#epoch) return 'heard'
      this.#drop(message)
      if (sent.session) this.#session.token = sent.session
      this.#answered(message, sent.seq, sent.messages)
      return 'heard'
    } catch (error) {
      message.tries += 1
      this.connected = error instanceof Refusal
      if (error instanceof Refusal) return epoch === this.#epoch ? this.#refused(message, error) : 'again'
      message.state = 'waiting'
      return 'unreachable'
    } finally {
      this.#underWay.delete(message)
      this.#onChange()
    }
  }

  #refused(message: Outgoing, refusal: Refusal): Outcome {
    const { status, detail, retryAfter } = refusal
    if (status === 401 && message.tries < MOST_CONVERSATIONS) {
      this.#ended()
      delete message.payload // belonged to the old conversation; its title still means something
      message.state = 'sending'
      return 'again'
    }
    if (status === 429) {
      Object.assign(message, { state: 'limited', seconds: retryAfter, detail })
      return 'limited'
    }
    if (status === 400 || status === 413) {
      Object.assign(message, { state: 'refused', detail })
      return 'heard'
    }
    if (refusal.session) this.#session.token = refusal.session
    Object.assign(message, { state: 'unanswered', seconds: retryAfter, detail })
    return 'heard'
  }

  /** When to try again by itself: later and later, and not at the same moment as everybody else. */
  #schedule(): void {
    clearTimeout(this.#timer)
    const last = this.#outgoing.at(-1)
    const next = this.#outgoing.find((message) => message.state === 'waiting' || message.state === 'limited')
    if (next) {
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, next.tries - 1))
      const wait = next.state === 'limited' ? (next.seconds ?? 30) * 1000 : pause * (0.5 + Math.random())
      this.#timer = window.setTimeout(() => void this.#deliver(), wait)
    } else if (last?.state === 'unanswered' && last.tries < UNANSWERED_TRIES) {
      // The server has it and could not answer. Once something newer was said, only the visitor can tell if it matters.
      this.#timer = window.setTimeout(() => {
        if (this.#outgoing.at(-1) !== last) return
        last.state = 'sending'
        void this.#deliver()
      }, (last.seconds ?? 30) * 1000)
    }
  }

  // ------------------------------------------------------------------ what was said

  #answered(message: Outgoing, place: number | null, messages: Reply[]): void {
    const before = this.#last()
    if (place === null) {
      // Danger that could not be kept: shown, and gone with the page.
      this.#shelve({ what: 'said', key: `v${message.id}`, said: { from: 'visitor', text: message.text, seq: 0, id: message.id, answered: true } })
      for (const reply of messages) this.#shelve({ what: 'reply', key: this.#key(), reply })
      this.#onReplies(messages)
      return
    }
    this.#entries.set(place, { from: 'visitor', text: message.text, seq: place, id: message.id, answered: true, payload: message.payload })
    this.#loaded = true
    const fresh = messages.filter((reply) => reply.seq && !this.#entries.has(reply.seq))
    for (const reply of messages) this.#entries.set(reply.seq ?? 0, { from: 'assistant', ...reply })
    this.#onReplies(fresh)
    this.#session.tellChanged()
    if (place > before + 1) void this.sync() // something was said in between
  }

  #take(entries: Entry[]): void {
    const first = !this.#loaded
    this.#loaded = true
    this.connected = true
    this.#asides = this.#asides.filter(({ line }) => !(line.what === 'notice' && line.notice === 'not_loaded'))
    const fresh = entries.filter((entry) => entry.from === 'assistant' && !this.#entries.has(entry.seq ?? 0))
    for (const entry of entries) this.#entries.set(entry.seq ?? 0, entry)
    for (const message of this.#outgoing) {
      const entry = entries.find((one) => one.from === 'visitor' && one.id === message.id) as Said | undefined
      if (entry?.answered) this.#drop(message)
    }
    const said = [...this.#entries.values()].filter((entry): entry is Said => entry.from === 'visitor')
    const latest = said.reduce((one: Said | undefined, other) => (one && one.seq > other.seq ? one : other), undefined)
    if (latest && !latest.answered && latest.id && !this.#outgoing.some(({ id }) => id === latest.id)) {
      // Its answer is still being made, or was lost on the way: asked again under its id, it comes.
      const { id, text, payload } = latest
      this.#outgoing.unshift({ id, text, payload, state: 'sending', tries: 0 })
      void this.#deliver()
    }
    if (fresh.length && !first) this.#onReplies(fresh as Reply[])
    if (fresh.length && (!first || this.#session.underWay.length)) this.#session.tellChanged()
    this.#onChange()
  }

  #ended(): void {
    this.#earlier = this.lines.filter((line) => line.what !== 'outgoing')
    this.#entries.clear()
    this.#asides = []
    this.#session.token = null
    this.#epoch += 1
    this.welcome = null // its token may be as old
    this.#aside({ notice: 'ended' })
  }

  #cleared(): void {
    clearTimeout(this.#timer)
    this.#session.token = null
    this.#epoch += 1
    this.#earlier = []
    this.#entries.clear()
    this.#asides = []
    this.#outgoing = []
    this.welcome = null // its token began the conversation that is gone
    this.#aside({ notice: 'cleared' })
    void this.#greet()
  }

  async #greet(): Promise<void> {
    try {
      this.welcome = await this.#api.welcome()
    } catch {
      // The starting points are missing then; writing works, or says that it does not.
    }
    this.#onChange()
  }

  #aside({ notice }: { notice: Notice }): void {
    this.#shelve({ what: 'notice', key: this.#key(), notice })
    this.#onChange()
  }

  #shelve(line: Line): void {
    this.#asides.push({ after: this.#last(), line })
  }

  #drop(message: Outgoing): void {
    this.#outgoing = this.#outgoing.filter((other) => other !== message)
  }

  #key(): string {
    return `n${(this.#numbered += 1)}`
  }

  #last(): number {
    return Math.max(0, ...this.#entries.keys())
  }

  /** The place up to which nothing is missing and everything is answered. */
  #contiguous(): number {
    let place = 0
    for (;;) {
      const entry = this.#entries.get(place + 1)
      if (!entry || (entry.from === 'visitor' && !entry.answered)) return place
      place += 1
    }
  }
}

function said(message: Outgoing): { text: string } | { payload: string } {
  return message.payload === undefined ? { text: message.text } : { payload: message.payload }
}

function newId(): string {
  if (crypto.randomUUID as unknown) return crypto.randomUUID() // absent on plain http
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
