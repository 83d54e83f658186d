// What a person changed is kept in the browser, one entry an example.

const key = (slug: string): string => `interactive-examples.draft.${slug}`;

export const loadDraft = (slug: string): string | null => localStorage.getItem(key(slug));
export const keepDraft = (slug: string, code: string): void => localStorage.setItem(key(slug), code);
export const forgetDraft = (slug: string): void => localStorage.removeItem(key(slug));
