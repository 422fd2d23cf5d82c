/** Which language the page speaks: the browser's, until the player chooses. */

import { browserStore, written } from "../keep/storage";
import { en, type Words } from "./en";
import { ja } from "./ja";

export const LANGUAGES = { en: "English", ja: "日本語" } as const;
export type Language = keyof typeof LANGUAGES;

const WORDS: Record<Language, Words> = { en, ja };
const REMEMBERED = "kakeai.language";

class Languages {
  chosen = $state<Language>(remembered() ?? preferred(navigator.languages));

  get words(): Words {
    return WORDS[this.chosen];
  }

  choose(language: Language): void {
    this.chosen = language;
    written(browserStore(), REMEMBERED, language);
  }
}

function remembered(): Language | null {
  const language = browserStore().getItem(REMEMBERED);
  return language === "en" || language === "ja" ? language : null;
}

function preferred(wanted: readonly string[]): Language {
  const language = wanted.map((tag) => tag.split("-")[0]).find((tag) => tag === "en" || tag === "ja");
  return language === "ja" ? "ja" : "en";
}

export const languages = new Languages();
