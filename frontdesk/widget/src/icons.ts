/** Drawn here, so that nothing is fetched for a picture. */

import { svg, html, type TemplateResult } from 'lit'

const PATHS = {
  close: ['M6 6l12 12', 'M18 6L6 18'],
  send: ['M12 19V5', 'M6 11l6-6 6 6'],
  heart: ['M12 20S4 15 4 9.3A4.3 4.3 0 0 1 12 7a4.3 4.3 0 0 1 8 2.3C20 15 12 20 12 20z'],
  alert: ['M12 4l9 16H3z', 'M12 10v4', 'M12 17v.2'],
  info: ['M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17z', 'M12 11v5', 'M12 8v.2'],
  check: ['M5 12.5l4.5 4.5L19 7.5'],
  up: ['M7 10.5v8H4.5v-8z', 'M7 11l3.6-6.6c1.5 0 2.3 1.2 1.9 2.7l-.7 2.9h5.4c1.2 0 2 1 1.7 2.2l-1.3 4.8a2 2 0 0 1-1.9 1.5H7'],
  down: ['M17 13.5v-8h2.5v8z', 'M17 13l-3.6 6.6c-1.5 0-2.3-1.2-1.9-2.7l.7-2.9H6.8c-1.2 0-2-1-1.7-2.2L6.4 7a2 2 0 0 1 1.9-1.5H17'],
  leave: ['M10 4.5H5.5v15H10', 'M10.5 12H20', 'M16 8l4 4-4 4'],
  bin: ['M5 7h14', 'M9.5 7V4.5h5V7', 'M7 7l.8 12.5h8.4L17 7'],
}

export function icon(name: keyof typeof PATHS): TemplateResult {
  return html`<svg viewBox="0 0 24 24" aria-hidden="true">${PATHS[name].map((d) => svg`<path d=${d}></path>`)}</svg>`
}
