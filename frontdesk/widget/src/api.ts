/** The chat API of the front desk, as `POST /api/chat` and its neighbours speak it. */

export type Kind = 'answer' | 'question' | 'safety' | 'fallback' | 'confirmation' | 'say'

export interface Button { title: string; payload: string }

export interface Citation { title: string; publisher?: string; year?: string }

/** A line of a request that is read back; `change` are the words that change it. */
export interface Row { label: string; value: string; field?: string | null; change?: string | null }

/** A message of the assistant. Without `seq` it was not kept: danger, while the database was away. */
export interface Reply {
  kind: Kind
  text: string
  id?: string
  seq?: number
  level?: string
  field?: string
  lead?: string
  buttons: Button[]
  citations?: Citation[]
  summary?: Row[]
  helpful?: boolean
}

/** A visitor's message, as the history gives it. `id` is the client's own. */
export interface Said { from: 'visitor'; text: string; seq: number; id: string | null; answered: boolean; payload?: string }

export type Entry = Said | (Reply & { from: 'assistant' })

export interface Welcome {
  session: string
  clinic: { name: string; phone: string | null }
  questions: string[]
  request: string
  longest_message: number
}

export interface Sent { session: string | null; seq: number | null; messages: Reply[] }

/** An error the server gave in plain words. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly retryAfter: number,
    readonly session: string | null,
    readonly messages: Reply[],
  ) {
    super(`refused with ${status}`)
  }
}

/** No answer, or none that can be read: nobody knows whether it was heard. */
export class Unreachable extends Error {}

const PATIENCE_MS = 25_000

export class ChatApi {
  #base: string
  #open = new Set<AbortController>()

  constructor(base: string) {
    this.#base = base.replace(/\/+$/, '')
  }

  async welcome(): Promise<Welcome> {
    return object(await this.#call('GET', '/api/chat/welcome')) as unknown as Welcome
  }

  /** Send a message; `after` is the one that was sent before it and is still under way. */
  async send(session: string, id: string, said: { text: string } | { payload: string }, after?: string): Promise<Sent> {
    let place: string | null = null
    const body = object(
      await this.#call('POST', '/api/chat', { body: { session, id, after, ...said } }, (response) => {
        place = response.headers.get('X-Message-Seq')
      }),
    )
    const messages = replies(body.messages)
    if (!messages.length) throw new Unreachable()
    return { session: text(body.session), seq: Number(place) || null, messages }
  }

  async history(session: string, after: number): Promise<{ session: string | null; entries: Entry[] }> {
    const body = object(await this.#call('GET', `/api/chat/history?after=${after}`, { session }))
    if (!Array.isArray(body.messages)) throw new Unreachable()
    const entries = body.messages.filter((one: Entry) => typeof one?.text === 'string' && typeof one.seq === 'number')
    return { session: text(body.session), entries }
  }

  async forget(session: string): Promise<void> {
    await this.#call('DELETE', '/api/chat', { session })
  }

  async rate(session: string, message: string, helpful: boolean | null): Promise<void> {
    await this.#call('POST', '/api/chat/feedback', { body: { session, message, helpful } })
  }

  /** Give up waiting: the page goes, or the conversation was cleared. */
  hangUp(): void {
    for (const request of this.#open) request.abort()
  }

  async #call(
    method: string,
    path: string,
    { session, body }: { session?: string; body?: object } = {},
    answered: (response: Response) => void = () => {},
  ): Promise<unknown> {
    const request = new AbortController()
    const patience = setTimeout(() => request.abort(), PATIENCE_MS)
    this.#open.add(request)
    try {
      const headers: Record<string, string> = { Accept: 'application/json' }
      if (session) headers.Authorization = `Bearer ${session}`
      if (body) headers['Content-Type'] = 'application/json'
      const response = await fetch(this.#base + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        credentials: 'omit',
        cache: 'no-store',
        keepalive: method === 'POST', // what was sent arrives although the visitor turns the page
        signal: request.signal,
      })
      const raw = await response.text()
      answered(response)
      if (response.status === 204) return null
      let content: unknown
      try {
        content = JSON.parse(raw)
      } catch {
        throw new Unreachable() // a proxy's own error page
      }
      if (response.ok) return content
      const problem = object(content)
      if (response.status >= 500 && !text(problem.detail)) throw new Unreachable() // not the front desk's own words
      throw new Refusal(
        response.status,
        text(problem.detail) ?? '',
        seconds(response.headers.get('Retry-After')),
        text(problem.session),
        replies(problem.messages),
      )
    } catch (error) {
      throw error instanceof Refusal ? error : new Unreachable()
    } finally {
      clearTimeout(patience)
      this.#open.delete(request)
    }
  }
}

function object(content: unknown): Record<string, any> {
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw new Unreachable()
  return content
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value ? value : null
}

function replies(value: unknown): Reply[] {
  return Array.isArray(value) ? value.filter((one) => typeof one?.text === 'string') : []
}

/** Seconds to wait, from a number or a date; half a minute when nobody says. */
function seconds(retryAfter: string | null): number {
  const number = Number(retryAfter ?? NaN)
  if (number > 0) return number
  const until = (Date.parse(retryAfter ?? '') - Date.now()) / 1000
  return until > 0 ? Math.ceil(until) : 30
}
