import { defineConfig } from "vitest/config";

export default defineConfig({
  assetsInclude: ["**/*.safetensors"],
  server: { fs: { allow: [".."] } }, // the committed checkpoints
  test: { environment: "jsdom", include: ["tests/**/*.test.ts"], restoreMocks: true, testTimeout: 30_000 },
});
