declare module 'texts:panel' {
  const languages: { en: (typeof import('../texts/en.json'))['panel'] }
  export default languages
}

declare module 'texts:loader' {
  const languages: { en: (typeof import('../texts/en.json'))['loader'] }
  export default languages
}

declare module '*.css' {
  const css: string
  export default css
}

/** What a change of the panel changes, so that no browser puts an old one to a new loader. */
declare const PANEL_VERSION: string
