/** A worker that says "now" often enough; unlike a page's timers, a worker's go on in a tab out of sight. */

const INTERVAL_MS = 20;

setInterval(() => postMessage(null), INTERVAL_MS);
