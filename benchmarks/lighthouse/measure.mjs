// `CHROME_PATH=browser node measure.mjs URL`: Lighthouse's scores of a page as JSON, on a phone and on a desktop: the
// median of several runs. What costs points goes to stderr.

import * as chromeLauncher from "chrome-launcher";
import lighthouse, { desktopConfig } from "lighthouse";

const RUNS = 3;
const CATEGORIES = ["performance", "accessibility", "best-practices"];

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const [url] = process.argv.slice(2);
const scores = {};
const chrome = await chromeLauncher.launch({ chromeFlags: ["--headless=new", "--no-sandbox"] });
try {
  for (const [screen, config] of [["phone", undefined], ["desktop", desktopConfig]]) {
    const found = Object.fromEntries(CATEGORIES.map((category) => [category, []]));
    for (let run = 0; run < RUNS; run++) {
      const { lhr } = await lighthouse(url, { port: chrome.port, onlyCategories: CATEGORIES }, config);
      if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
      for (const category of CATEGORIES) {
        const { score, auditRefs } = lhr.categories[category];
        found[category].push(100 * score);
        if (score === 1) continue;
        for (const { id, weight } of auditRefs) {
          const audit = lhr.audits[id];
          const costs = weight > 0 && audit.score !== null && audit.score < 1;
          if (costs) console.error(`${screen}, ${category}: ${audit.title} ${audit.displayValue ?? ""}`);
        }
      }
    }
    scores[screen] = Object.fromEntries(CATEGORIES.map((category) => [category, median(found[category])]));
  }
} finally {
  chrome.kill();
}
console.log(JSON.stringify(scores));
