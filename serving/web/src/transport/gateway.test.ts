/** The link against a real WebSocket server on loopback, which breaks off as real ones do. */

import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { type AddressInfo } from "node:net";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { WebSocket as NodeWebSocket, WebSocketServer } from "ws";
import { beats, qpm } from "../time";
import { GatewayAddress } from "./address";
import { GatewayLink, type LinkState } from "./gateway";
import { type Answer, type Call, type Problem, type Ready, startFrame } from "./protocol";

/** Node 20 has no WebSocket of its own; and where nobody listens to its errors, a browser's does not throw them. */
class BrowserWebSocket extends NodeWebSocket {
  constructor(url: URL, protocols: string[] = []) {
    super(url, protocols);
    this.on("error", () => {});
  }
}
vi.stubGlobal("WebSocket", BrowserWebSocket);

const CALL: Call = { type: "call", turn: 0, bars: 1, answer_bars: 1, notes: [], temperature: 1, dynamics: "flat", due: 0.2 };
const READY = { type: "ready", session: "s1", model: "tiny", version: 1, card: null };
const TAKE = { model: "tiny", version: 1, seed: 5, temperature: 1 };

let http: Server;
let server: WebSocketServer;
let known: string | null; // the token that is asked for, if any is
let token: string | null; // the one that the page has
let link: GatewayLink;
let frames: { type: string; [key: string]: unknown }[]; // as they reached the server, over all connections
let heard: { states: LinkState[]; ready: Ready[]; answers: Answer[]; problems: Problem[]; releases: number[] };
let onState: (state: LinkState) => void;
let onFrame: (type: string, client: NodeWebSocket) => void;

const say = (client: NodeWebSocket, frame: object) => client.send(JSON.stringify(frame));

beforeEach(async () => {
  frames = [];
  onState = () => {};
  heard = { states: [], ready: [], answers: [], problems: [], releases: [] };
  known = token = null;
  http = createServer((request, response) => {
    response.writeHead(known === null || request.headers.authorization === `Bearer ${known}` ? 200 : 401).end("{}");
  });
  server = new WebSocketServer({
    server: http,
    verifyClient: ({ req }, admit) => {
      const offered = req.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
      admit(known === null || offered.includes(`bearer.${known}`), 401);
    },
    handleProtocols: (offered) => offered.has("kakeai") && "kakeai",
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  server.on("connection", (client) =>
    client.on("message", (data) => {
      const frame = JSON.parse(String(data));
      frames.push(frame);
      onFrame(frame.type, client);
    }),
  );
  const history = [
    { who: "player" as const, start: beats(0), bars: 1, length: beats(4), tempo: qpm(120), notes: [], take: null },
  ];
  link = new GatewayLink(new GatewayAddress(`http://127.0.0.1:${(http.address() as AddressInfo).port}`, () => token), {
    start: () => startFrame(qpm(120), 4, history),
    onState: (state) => {
      heard.states.push(state);
      onState(state);
    },
    onReady: (ready) => heard.ready.push(ready),
    onAnswer: (answer) => heard.answers.push(answer),
    onRelease: ({ version }) => heard.releases.push(version),
    onProblem: (problem) => heard.problems.push(problem),
  });
});

afterEach(() => {
  link.close();
  for (const client of server.clients) client.terminate();
  server.close();
  http.close();
});

test("a call gets its answer", async () => {
  onFrame = (type, client) => {
    if (type === "start") say(client, READY);
    if (type === "call") say(client, { type: "answer", turn: 0, bars: 1, notes: [], take: TAKE, log_likelihood: -1 });
  };
  link.open();
  link.call(CALL); // before the connection stands
  await vi.waitUntil(() => heard.answers.length > 0);
  expect(frames.map(({ type }) => type)).toEqual(["start", "call"]);
  expect(heard.states).toEqual(["connecting", "ready"]);
  expect(heard.answers[0]?.take.seed).toBe(5);
});

test("a connection that breaks off is opened again with the history, and the call is sent once more", async () => {
  let calls = 0;
  onFrame = (type, client) => {
    if (type === "start") say(client, READY);
    if (type === "call" && ++calls === 1) client.terminate();
    if (type === "call" && calls === 2) say(client, { type: "answer", turn: 0, notes: [], take: TAKE });
  };
  link.open();
  link.call(CALL);
  await vi.waitUntil(() => heard.answers.length > 0, { timeout: 5000 });
  expect(frames.map(({ type }) => type)).toEqual(["start", "call", "start", "call"]);
  expect(frames[0]).not.toHaveProperty("version");
  expect(frames[2]).toMatchObject({ session: "s1", version: 1, qpm: 120, history: [{ who: "player", bars: 1 }] });
  expect(heard.states).toEqual(["connecting", "ready", "away", "ready"]);
});

test("an answered call is not sent again on the next connection", async () => {
  onFrame = (type, client) => {
    if (type === "start") say(client, READY);
    if (type === "call") {
      say(client, { type: "answer", turn: 0, notes: [], take: TAKE });
      client.close();
    }
  };
  link.open();
  link.call(CALL);
  await vi.waitUntil(() => heard.ready.length === 2, { timeout: 5000 });
  expect(frames.map(({ type }) => type)).toEqual(["start", "call", "start"]);
});

test("a gateway that cannot start a session is asked again", async () => {
  let starts = 0;
  onFrame = (type, client) => {
    if (type === "start" && ++starts === 1) say(client, { type: "error", title: "Not ready", detail: "No model.", status: 503 });
    else if (type === "start") say(client, READY);
  };
  link.open();
  await vi.waitUntil(() => heard.ready.length > 0, { timeout: 5000 });
  expect(heard.problems[0]?.detail).toBe("No model.");
  expect(heard.states).toEqual(["connecting", "away", "ready"]);
});

test("a problem with one call leaves the connection open", async () => {
  onFrame = (type, client) => {
    if (type === "start") say(client, READY);
    if (type === "call") say(client, { type: "error", title: "Too slow", detail: "No answer in time.", status: 504, turn: 0 });
    if (type === "tempo") say(client, { type: "answer", turn: 1, notes: [], take: TAKE });
  };
  link.open();
  link.call(CALL);
  await vi.waitUntil(() => heard.problems.length > 0);
  link.tempo({ type: "tempo", qpm: 90 });
  await vi.waitUntil(() => heard.answers.length > 0);
  expect(heard.states).toEqual(["connecting", "ready"]);
});

test("a newer version is told of, and answers once it is adopted", async () => {
  onFrame = (type, client) => {
    if (type === "start") say(client, READY), say(client, { type: "release", version: 2, card: null });
    if (type === "adopt") say(client, { ...READY, version: 2 });
  };
  link.open();
  await vi.waitUntil(() => heard.releases.length > 0);
  link.adopt({ type: "adopt", version: 2 });
  await vi.waitUntil(() => heard.ready.length === 2);
  expect(heard.releases).toEqual([2]);
  expect(heard.ready.map(({ version }) => version)).toEqual([1, 2]);
});

test("a dialogue that begins anew plays with the newest version", async () => {
  onFrame = (type, client) => type === "start" && say(client, READY);
  link.open();
  await vi.waitUntil(() => heard.ready.length === 1);
  link.open();
  await vi.waitUntil(() => heard.ready.length === 2);
  expect(frames[1]).not.toHaveProperty("version");
});

test("nothing is tried after closing", async () => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  onFrame = (type, client) => {
    if (type === "start") client.terminate();
  };
  link.open();
  await new Promise<void>((resolve) => {
    onState = (state) => state === "away" && resolve();
  });
  await Promise.resolve(); // past the callback that tells of it, after which the next try is set
  expect(vi.getTimerCount()).toBe(1);
  link.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

test("pages that lose one gateway come back at random times, later after each try, and within a bound", async () => {
  onFrame = (type, client) => type === "start" && client.terminate();
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  const timers = vi.spyOn(globalThis, "setTimeout");
  const shares = [0, 0.25, 0.5, 0.75, 0.999, 0.1];
  const random = vi.spyOn(Math, "random");
  const waits: unknown[] = [];
  for (const share of shares) {
    random.mockReturnValue(share);
    const away = new Promise<void>((resolve) => (onState = (state) => state === "away" && resolve()));
    if (waits.length === 0) link.open();
    else vi.advanceTimersToNextTimer();
    await away;
    await Promise.resolve(); // past the callback that tells of it, after which the next try is set
    waits.push(timers.mock.lastCall?.[1]);
  }
  expect(waits).toEqual([0, 0.25 * 2000, 0.5 * 4000, 0.75 * 8000, 0.999 * 8000, 0.1 * 8000]);
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("a gateway that asks for a token is not tried again until there is another one", async () => {
  onFrame = (type, client) => type === "start" && say(client, READY);
  known = "right";
  token = "wrong";
  link.open();
  await vi.waitUntil(() => heard.states.includes("refused"), { timeout: 5000 });
  token = "right";
  link.open();
  await vi.waitUntil(() => heard.ready.length > 0, { timeout: 5000 });
  expect(heard.states).toEqual(["connecting", "away", "refused", "connecting", "ready"]);
  expect(frames).toHaveLength(1);
});

test("what is no frame is passed over", async () => {
  onFrame = (_, client) => {
    client.send("{");
    client.send('"ready"');
    say(client, { type: "later" });
    say(client, READY);
  };
  link.open();
  await vi.waitUntil(() => heard.ready.length > 0);
  expect(heard.problems).toEqual([]);
});
