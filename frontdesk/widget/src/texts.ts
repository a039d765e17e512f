/** The widget's own words. Each language is a file in `texts/`; the build puts them all into `texts:panel`. */

import languages from 'texts:panel'

export type Texts = (typeof languages)['en']

/** The words in a language, given as in `lang="es-MX"`; English for what is not translated. */
export function textsIn(language: string): Texts {
  const known = languages as Record<string, Partial<Texts>>
  return { ...languages.en, ...known[language.toLowerCase().split('-')[0]!] }
}

/** Put values in the place of `{names}`. */
export function filled(text: string, values: Record<string, string | number>): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
}
