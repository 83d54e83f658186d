// Monaco with the two languages that the examples are written in.
import * as monaco from "monaco-editor/editor/editor.api.js";
import "monaco-editor/features/bracketMatching/register.js";
import "monaco-editor/features/clipboard/register.js";
import "monaco-editor/features/comment/register.js";
import "monaco-editor/features/contextmenu/register.js";
import "monaco-editor/features/find/register.js";
import "monaco-editor/features/indentation/register.js";
import "monaco-editor/features/linesOperations/register.js";
import "monaco-editor/features/links/register.js";
import "monaco-editor/features/multicursor/register.js";
import "monaco-editor/features/suggest/register.js";
import "monaco-editor/features/unicodeHighlighter/register.js";
import "monaco-editor/features/wordHighlighter/register.js";
import "monaco-editor/features/wordOperations/register.js";
import "monaco-editor/languages/definitions/javascript/register.js";
import "monaco-editor/languages/definitions/python/register.js";
import EditorWorker from "monaco-editor/editor/editor.worker.js?worker";
import type { Language } from "./api.ts";

self.MonacoEnvironment = { getWorker: () => new EditorWorker() };

export class CodeEditor {
  private readonly editor: monaco.editor.IStandaloneCodeEditor;

  constructor(container: HTMLElement, onChange: (code: string) => void) {
    this.editor = monaco.editor.create(container, {
      ariaLabel: "Code",
      automaticLayout: true,
      fontSize: 14,
      minimap: { enabled: false },
      scrollBeyondLastLine: false,
    });
    this.editor.onDidChangeModelContent((event) => {
      if (!event.isFlush) {
        onChange(this.code);
      }
    });
  }

  get code(): string {
    return this.editor.getValue();
  }

  show(code: string, language: Language): void {
    const model = this.editor.getModel();
    if (model !== null) {
      monaco.editor.setModelLanguage(model, language);
    }
    this.editor.setValue(code);
  }
}
