import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

export default defineConfig({
  // Relative addresses: the gateway may serve the page at any path.
  base: "./",
  plugins: [svelte({ configFile: false })],
  build: { target: "es2022", assetsInlineLimit: 0 },
  // `npm run dev` beside a gateway on its usual port.
  server: { proxy: { "/v1": { target: "http://127.0.0.1:8080", ws: true } } },
  test: { include: ["src/**/*.test.ts"] },
});
