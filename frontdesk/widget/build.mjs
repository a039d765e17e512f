/**
 * Builds the widget into `static/`: `widget.js`, the loader that pages embed, and `chat.js`, which it fetches.
 * `node build.mjs [folder]`. The same source gives the same bytes: the test suite compares them with what is committed.
 */

import { createHash } from 'node:crypto'
import { readFile, readdir, writeFile, mkdir } from 'node:fs/promises'
import { gzipSync } from 'node:zlib'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'

const here = path.dirname(fileURLToPath(import.meta.url))
const folder = path.resolve(process.argv[2] ?? path.join(here, 'static'))

const styles = {
  name: 'style sheets as text',
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path: file }) => {
      const { code } = await transform(await readFile(file, 'utf8'), { loader: 'css', minify: true })
      return { contents: code.trim(), loader: 'text' }
    })
  },
}

const texts = {
  name: 'every language in texts/',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^texts:/ }, ({ path: name }) => ({ path: name, namespace: 'texts' }))
    onLoad({ filter: /.*/, namespace: 'texts' }, async ({ path: name }) => {
      const part = name.slice('texts:'.length)
      const languages = {}
      for (const file of (await readdir(path.join(here, 'texts'))).sort()) {
        languages[path.basename(file, '.json')] = JSON.parse(await readFile(path.join(here, 'texts', file), 'utf8'))[part]
      }
      return { contents: JSON.stringify(languages), loader: 'json' }
    })
  },
}

async function bundle(entry, options) {
  const { outputFiles } = await build({
    entryPoints: [path.join(here, 'src', entry)],
    absWorkingDir: here,
    bundle: true,
    minify: true,
    write: false,
    charset: 'utf8',
    legalComments: 'none',
    target: 'es2022',
    conditions: ['production'],
    plugins: [styles, texts],
    ...options,
  })
  return outputFiles[0].text
}

const licence = '/* Ketalink Assistant, Apache-2.0. Contains Lit, copyright Google LLC, BSD-3-Clause. */\n'
const chat = licence + (await bundle('panel.ts', { format: 'esm' }))
const version = createHash('sha256').update(chat).digest('hex').slice(0, 12)
const loader = await bundle('loader.ts', { format: 'iife', define: { PANEL_VERSION: JSON.stringify(version) } })

await mkdir(folder, { recursive: true })
for (const [name, content] of [['widget.js', loader], ['chat.js', chat]]) {
  await writeFile(path.join(folder, name), content)
  console.log(`${name}: ${content.length} bytes, ${gzipSync(content, { level: 9 }).length} gzip`)
}
