/**
 * Where the conversation's token lives: in sessionStorage, and in the other open tabs of the site. Never a word of the
 * conversation. A browser that blocks storage gets a conversation that ends with the page.
 */

const TOKEN = 'ketalink.session'
const OPEN = 'ketalink.open'
const UNDER_WAY = 'ketalink.under-way'
const ASKING_MS = 120

type Call = { say: 'who' } | { say: 'here'; token: string } | { say: 'changed' } | { say: 'cleared' }

export class SessionKeeper {
  #held: string | null = null
  #tabs = 'BroadcastChannel' in window ? new BroadcastChannel('ketalink') : null
  #adopted = () => {}
  onChanged = () => {}
  onCleared = () => {}

  constructor() {
    this.#tabs?.addEventListener('message', ({ data }: MessageEvent<Call>) => {
      if (data.say === 'who' && this.token) this.#call({ say: 'here', token: this.token })
      if (data.say === 'here' && !this.token) {
        this.token = data.token
        this.#adopted()
        this.onChanged()
      }
      if (data.say === 'changed') this.onChanged()
      if (data.say === 'cleared') this.onCleared()
    })
  }

  get token(): string | null {
    try {
      return sessionStorage.getItem(TOKEN) ?? this.#held
    } catch {
      return this.#held
    }
  }

  set token(token: string | null) {
    this.#held = token
    keep(TOKEN, token)
  }

  /** The ids of messages that were under way when the last page was left: the next one looks for them. */
  get underWay(): string[] {
    return kept(UNDER_WAY)?.split(' ') ?? []
  }

  set underWay(ids: string[]) {
    keep(UNDER_WAY, ids.length ? ids.join(' ') : null)
  }

  /**
   * Ask the other tabs for their conversation, so that a link opened beside this page goes on with it. Wait a moment for
   * the answer; one that comes later counts as long as nothing was written here.
   */
  async adopt(): Promise<void> {
    if (!this.#tabs || this.token) return
    await new Promise<void>((resolve) => {
      this.#adopted = resolve
      this.#call({ say: 'who' })
      setTimeout(resolve, ASKING_MS)
    })
  }

  tellChanged(): void {
    this.#call({ say: 'changed' })
  }

  tellCleared(): void {
    this.#call({ say: 'cleared' })
  }

  close(): void {
    this.#tabs?.close()
  }

  #call(call: Call): void {
    this.#tabs?.postMessage(call)
  }
}

export const wasOpen = (): boolean => kept(OPEN) === '1'

export const rememberOpen = (open: boolean): void => keep(OPEN, open ? '1' : null)

/** Leave nothing behind: the way back into the conversation goes, the conversation itself stays with the clinic. */
export function forgetHere(): void {
  for (const key of [TOKEN, OPEN, UNDER_WAY]) keep(key, null)
}

function kept(key: string): string | null {
  try {
    return sessionStorage.getItem(key)
  } catch {
    return null
  }
}

function keep(key: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(key)
    else sessionStorage.setItem(key, value)
  } catch {
    // Blocked or full: what is held in memory serves until the page goes.
  }
}
