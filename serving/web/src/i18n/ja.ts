import { type Words } from "./en";

export const ja: Words = {
  tagline: "フレーズを弾くと、モデルが拍に合わせて応えます。",
  you: "あなた",
  kakeai: "掛け合い",

  stage: "ステージ",
  invitation: "弾けば、応える。",
  invitationHint: "「開始」を押すと1小節のカウントが鳴ります。下のピアノで弾いてください。",
  countIn: "準備",
  yourTurn: "あなたの番",
  kakeaiTurn: "掛け合いの番",
  waiting: "考えています",
  over: "おつかれさまでした。",
  overHint: "ダウンロードするか、もう一度始めてください。",
  beatsLeft: () => "残り拍",
  beatsToGo: () => "開始まで",

  sayPlayer: (bars) => `あなたの番、${bars}小節。`,
  sayKakeai: (bars) => `掛け合いの番、${bars}小節。`,
  sayCountIn: "準備。",
  sayStopped: "停止しました。",
  dialogue: "対話のピアノロール",
  noteCounts: (player, kakeai) => `あなた：${player}音。掛け合い：${kakeai}音。`,

  controls: "セッション",
  start: "開始",
  stop: "停止",
  yourBars: "あなたの小節",
  kakeaiBars: "応答の小節",
  tempo: "テンポ",
  tempoValue: (qpm) => `毎分${qpm}拍`,
  adventurous: "冒険度",
  adventurousValue: (temperature) => `温度 ${temperature}`,
  clicks: "クリック",
  download: "MIDIを保存",
  octaveDown: "1オクターブ下へ",
  octaveUp: "1オクターブ上へ",
  piano: "ピアノ",
  pianoHint: (from, to, down, up) => `キーボードの${from}から${to}で弾けます。${down}と${up}でオクターブ移動。`,

  connectMidi: "MIDIを接続",
  midiAsking: "MIDIの許可を待っています…",
  midiInputs: (names) => (names.length ? names.join("、") : "キーボードをつないでください"),
  midiUnsupported:
    "このブラウザーにはWeb MIDIがありません（SafariとiPhone・iPadのブラウザーは未対応）。ほかの機能は使えます。",
  midiRefused: "MIDIが許可されませんでした。ブラウザーのサイト設定で許可して、もう一度お試しください。",

  model: (name, version) => `${name} バージョン${version}`,
  trainedOn: (files) => `${files}曲から学習`,
  connecting: "モデルを探しています…",

  away: "サーバーに接続できません。再接続しています。セッションは続きから再開します。",
  late: "応答が遅れています。次の拍から入ります。",
  problem: (detail) => `応答できませんでした：${detail}`,
  noSound: "音を出せません。音を鳴らしているほかのタブを閉じて、もう一度「開始」を押してください。",
};
