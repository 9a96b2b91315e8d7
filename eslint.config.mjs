import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';
import noImportCycles from './scripts/lib/no-import-cycles.mjs';

const node = Object.fromEntries(
  [
    'console',
    'process',
    'Buffer',
    'URL',
    'AbortController',
    'AbortSignal',
    'performance',
    'setTimeout',
    'clearTimeout',
    'setInterval',
  ]
    .concat([
      'clearInterval',
      'setImmediate',
      'queueMicrotask',
      'structuredClone',
      'TextEncoder',
      'TextDecoder',
      'fetch',
      'globalThis',
    ])
    .concat([
      'require',
      'module',
      '__dirname',
      '__filename',
      'SharedArrayBuffer',
      'Float16Array',
      'gc',
      'crypto',
      'Event',
      'EventTarget',
    ])
    .concat(['ReadableStream', 'WritableStream', 'Blob', 'DOMException', 'MessageChannel', 'Response'])
    .map((name) => [name, 'readonly']),
);

export default defineConfig(
  { ignores: ['dist/', 'dist-pack/', 'target/', 'coverage/', '*.d.ts', '*.d.mts', 'benchmark/node_modules/'] },
  js.configs.recommended,
  {
    files: ['**/*.mjs', '**/*.cjs', '**/*.js'],
    languageOptions: { ecmaVersion: 2024, globals: node },
    rules: {
      'no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      'no-empty': ['error', { allowEmptyCatch: true }],
      'prefer-const': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  { files: ['**/*.cjs'], languageOptions: { sourceType: 'commonjs' } },
  {
    files: ['ts/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
    plugins: { holdfast: { rules: { 'no-import-cycles': noImportCycles } } },
    rules: {
      'holdfast/no-import-cycles': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // What was caught is passed on as it came.
      '@typescript-eslint/only-throw-error': ['error', { allowThrowingUnknown: true, allowRethrowing: true }],
      '@typescript-eslint/prefer-promise-reject-errors': ['error', { allowThrowingUnknown: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrorsIgnorePattern: '^_' },
      ],
      // An async method turns what it throws into a rejection: the contract of every method that returns a promise.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  {
    files: ['__test__/types/**'],
    extends: [tseslint.configs.base],
  },
);
