import { defineConfig } from "vite";

export default defineConfig({
  build: {
    sourcemap: false,
    // Files, not data: addresses, which a content security policy need not allow then.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 4096,
    rolldownOptions: { input: ["index.html", "admin.html"] },
  },
});
