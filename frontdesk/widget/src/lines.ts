/** What one line of the conversation looks like. */

import { html, nothing, type TemplateResult } from 'lit'
import type { Button, Citation, Kind, Reply, Row } from './api.js'
import type { Line, Notice, Outgoing } from './conversation.js'
import { icon } from './icons.js'
import { plain, rich } from './text.js'
import { filled, type Texts } from './texts.js'

/** What a line can ask of the panel, and what it has to know of the whole conversation. */
export interface Surroundings {
  texts: Texts
  used: Set<string> // payloads of buttons that were used
  openQuestion: Reply | null // the question that waits for an answer
  press(button: Button): void
  say(text: string): void
  retry(message: Outgoing): void
  edit(message: Outgoing): void
  rate(reply: Reply, helpful: boolean | null): void
  reload(): void
}

const CALL_988 = ['tel:988', 'call_988'] as const
const TEXT_988 = ['sms:988', 'text_988'] as const
const CALL_911 = ['tel:911', 'call_911'] as const
const SAFETY = {
  crisis: { picture: 'heart', links: [CALL_988, TEXT_988, CALL_911] },
  emergency: { picture: 'alert', links: [CALL_911, CALL_988] },
  medical_advice: { picture: 'info', links: [] },
  diversion: { picture: 'info', links: [] },
} as const

const CARDS: Partial<Record<Kind, typeof safetyCard>> = { safety: safetyCard, confirmation: confirmationCard }

export function lineOf(line: Line, around: Surroundings): TemplateResult {
  if (line.what === 'reply') return replyOf(line.reply, around)
  if (line.what === 'notice') return noticeOf(line.notice, around)
  const text = line.what === 'said' ? line.said.text : line.message.text
  return html`<li class="line visitor">
    <div class="bubble"><span class="unseen">${around.texts.you} </span>${plain(text)}</div>
    ${line.what === 'outgoing' ? stateOf(line.message, around) : nothing}
  </li>`
}

function noticeOf(notice: Notice, { texts, reload }: Surroundings): TemplateResult {
  return html`<li class="line aside">
    <p>${texts[notice]}</p>
    ${notice === 'not_loaded' ? html`<button type="button" class="choice" @click=${reload}>${texts.load}</button>` : nothing}
  </li>`
}

function stateOf(message: Outgoing, { texts, retry, edit }: Surroundings): TemplateResult {
  if (message.state === 'sending') return html`<span class="sending" aria-hidden="true">${texts.sending}</span>`
  const seconds = Math.ceil(message.seconds ?? 0)
  const why = {
    waiting: texts.not_sent,
    limited: filled(texts.wait, { seconds }),
    unanswered: message.detail || texts.not_answered,
    refused: message.detail || texts.refused,
  }[message.state]
  const again = message.state === 'refused'
    ? html`<button type="button" @click=${() => edit(message)}>${texts.edit}</button>`
    : html`<button type="button" @click=${() => retry(message)}>${texts.retry}</button>`
  return html`<div class="trouble"><p dir="auto">${why}</p>${again}</div>`
}

function replyOf(reply: Reply, around: Surroundings): TemplateResult {
  const { texts } = around
  const card = CARDS[reply.kind]
  return html`<li class="line assistant ${reply.kind} ${card || reply.summary ? 'wide' : ''}">
    ${card
      ? card(reply, around)
      : html`<div class="bubble">
          <span class="unseen">${texts.assistant} </span>
          ${reply.summary ? readBack(reply, reply.summary, around) : rich(reply.text)}
          ${reply.citations?.length ? sourcesOf(reply.citations, texts) : nothing}
        </div>`}
    ${choicesOf(reply, around)}
    ${reply.kind === 'answer' && reply.id ? thumbsOf(reply, around) : nothing}
  </li>`
}

function safetyCard(reply: Reply, { texts }: Surroundings): TemplateResult {
  const level = (reply.level && reply.level in SAFETY ? reply.level : 'medical_advice') as keyof typeof SAFETY
  const { picture, links } = SAFETY[level]
  return html`<section class="card safety ${links.length ? 'urgent' : ''}" aria-label=${texts[level]}>
    <h3>${icon(picture)} ${texts[level]}</h3>
    ${rich(reply.text)}
    ${links.length
      ? html`<div class="links">${links.map(([address, label]) => html`<a href=${address}>${texts[label]}</a>`)}</div>`
      : nothing}
  </section>`
}

function confirmationCard(reply: Reply, { texts }: Surroundings): TemplateResult {
  return html`<section class="card" aria-label=${texts.received}>
    <h3>${icon('check')} ${texts.received}</h3>
    ${rich(reply.text)}
    ${reply.lead ? html`<p class="reference">${texts.reference} <strong>${reply.lead}</strong></p>` : nothing}
  </section>`
}

/** A request that is read back: each part with its own way to change it, as long as the question is open. */
function readBack(reply: Reply, rows: Row[], { texts, openQuestion, say }: Surroundings): TemplateResult {
  const shown = new Set(rows.map(({ label, value }) => `${label}: ${value}`))
  const around = reply.text.split('\n').filter((line) => !shown.has(line))
  const change = (row: Row) =>
    reply === openQuestion && row.change
      ? html`<button type="button" aria-label=${filled(texts.change_field, { field: row.label })}
          @click=${() => say(row.change!)}>${texts.change}</button>`
      : nothing
  return html`${rich(around.slice(0, -1).join('\n'))}
    <dl>${rows.map((row) => html`<div><dt>${row.label}</dt><dd dir="auto">${row.value}</dd><dd>${change(row)}</dd></div>`)}</dl>
    ${rich(around.at(-1) ?? '')}`
}

function sourcesOf(citations: Citation[], texts: Texts): TemplateResult {
  return html`<details>
    <summary>${citations.length > 1 ? texts.sources : texts.source}</summary>
    <ul>${citations.map(({ title, publisher, year }) => html`<li dir="auto">${[title, publisher, year].filter(Boolean).join(', ')}</li>`)}</ul>
  </details>`
}

/** Quick replies stay where they are: a used one is marked, those of a question that was answered do nothing any more. */
function choicesOf(reply: Reply, { texts, used, openQuestion, press }: Surroundings): TemplateResult | typeof nothing {
  if (!reply.buttons?.length) return nothing
  const over = reply.kind === 'question' && reply !== openQuestion
  return html`<div class="choices" role="group" aria-label=${texts.choices}>
    ${reply.buttons.map((button) => {
      const isUsed = used.has(button.payload)
      const off = over || isUsed
      return html`<button type="button" class="choice ${isUsed ? 'used' : ''}" aria-disabled=${off ? 'true' : nothing}
        @click=${() => off || press(button)}>${button.title}${isUsed ? html`<span class="unseen"> ${texts.chosen}</span>` : nothing}</button>`
    })}
  </div>`
}

function thumbsOf(reply: Reply, { texts, rate }: Surroundings): TemplateResult {
  const thumb = (helpful: boolean) => {
    const pressed = reply.helpful === helpful
    return html`<button type="button" aria-pressed=${pressed} aria-label=${helpful ? texts.yes_helpful : texts.no_helpful}
      @click=${() => rate(reply, pressed ? null : helpful)}>${icon(helpful ? 'up' : 'down')}</button>`
  }
  return html`<div class="thumbs" role="group" aria-label=${texts.helpful}>
    <span aria-hidden="true">${texts.helpful}</span>${thumb(true)}${thumb(false)}
  </div>`
}
