/**
 * Text from the network, shown as text. A small allow-list becomes more: `**bold**`, lists of lines that begin with "- ",
 * `[words](https:… | tel:… | sms:…)`, bare https addresses, and phone numbers. All of it is built as DOM nodes by Lit; no
 * string is ever read as HTML.
 */

import { html, nothing, type TemplateResult } from 'lit'

const RICH = new RegExp(
  [
    String.raw`\*\*(?<bold>[^*\n]+)\*\*`,
    String.raw`\[(?<label>[^\]\n]+)\]\((?<target>[^)\s]+)\)`,
    String.raw`(?<address>https:\/\/[^\s<>"']+)`,
    String.raw`(?<phone>(?<![\w+(-])(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w-]))`,
  ].join('|'),
  'g',
)
const LINKED = /^(?:https:\/\/[^\s/]|tel:\+?[\d-]+$|sms:\+?[\d-]+$)/i
const AFTER_AN_ADDRESS = /[.,;:!?)\]}'"]+$/

type Piece = string | TemplateResult

/** The blocks of a message: paragraphs and lists. */
export function rich(text: string): TemplateResult[] {
  const blocks: TemplateResult[] = []
  let list: string[] = []
  let lines: string[] = []
  const flush = () => {
    if (lines.length) blocks.push(html`<p dir="auto">${inline(lines.join('\n'))}</p>`)
    if (list.length) blocks.push(html`<ul>${list.map((item) => html`<li dir="auto">${inline(item)}</li>`)}</ul>`)
    lines = []
    list = []
  }
  for (const line of text.split('\n')) {
    const item = /^\s*[-•]\s+(.*)$/.exec(line)?.[1]
    if ((item === undefined ? list : lines).length) flush()
    if (item !== undefined) list.push(item)
    else if (line.trim()) lines.push(line)
    else flush()
  }
  flush()
  return blocks
}

/** What somebody wrote: nothing in it means anything but itself. */
export const plain = (text: string): TemplateResult => html`<p dir="auto">${text}</p>`

function inline(text: string): Piece[] {
  const pieces: Piece[] = []
  let end = 0
  for (const match of text.matchAll(RICH)) {
    pieces.push(text.slice(end, match.index))
    end = match.index + match[0].length
    const { bold, label, target, address, phone } = match.groups!
    if (bold) pieces.push(html`<strong>${bold}</strong>`)
    else if (label) pieces.push(LINKED.test(target!) ? link(target!, label) : match[0])
    else if (phone) pieces.push(link(tel(phone), phone))
    else {
      const after = AFTER_AN_ADDRESS.exec(address!)?.[0] ?? ''
      const bare = address!.slice(0, address!.length - after.length)
      pieces.push(LINKED.test(bare) ? link(bare, bare) : bare, after)
    }
  }
  pieces.push(text.slice(end))
  return pieces
}

/** A link whose address is known to be harmless. */
export function link(address: string, label: string): TemplateResult {
  const leaves = address.startsWith('https:')
  return html`<a href=${address} target=${leaves ? '_blank' : nothing} rel=${leaves ? 'noopener noreferrer' : nothing}>${label}</a>`
}

/** The `tel:` address of a number as people write it. */
export function tel(phone: string): string {
  const digits = phone.replace(/\D/g, '')
  return `tel:${digits.length === 10 ? `+1${digits}` : phone.trim().startsWith('+') || digits.length === 11 ? `+${digits}` : digits}`
}
