// Type tests: __test__/types is compiled strictly against the committed declarations, as a user's program would be,
// once as CommonJS and once as ES modules (.ts and .mts files). An assertion is an expectTypeOf or a @ts-expect-error;
// any diagnostic is a failure.
import { join } from 'node:path';
import ts from 'typescript';
import { main, Problem } from './lib/console.mjs';
import { root } from './lib/paths.mjs';

await main(async () => {
  const host = {
    ...ts.sys,
    onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
      throw new Problem(String(diagnostic.messageText));
    },
  };
  const config = ts.getParsedCommandLineOfConfigFile(join(root, '__test__/types/tsconfig.json'), {}, host);
  const program = ts.createProgram(config.fileNames, config.options);
  const diagnostics = ts.getPreEmitDiagnostics(program);
  if (diagnostics.length > 0)
    console.error(ts.formatDiagnosticsWithColorAndContext(diagnostics, ts.createCompilerHost(config.options)));
  const own = program.getSourceFiles().filter((file) => config.fileNames.includes(file.fileName));
  const count = own.reduce(
    (total, file) => total + [...file.text.matchAll(/\bexpectTypeOf\b\s*[(<]|@ts-expect-error/g)].length,
    0,
  );
  console.log(`${Math.max(count - diagnostics.length, 0)} type assertions passed`);
  if (diagnostics.length > 0) {
    console.log(`${diagnostics.length} type errors`);
    throw new Problem('type tests failed');
  }
});
