//! Tables of the facade in TypeScript are written from the tables in Rust. `HOLDFAST_WRITE=1 cargo test --test facade`
//! writes the files. Without it the test fails where they differ.

use std::path::Path;

use holdfast_core::Code;
use holdfast_core::keyspace::MODEL_FOLDERS;

fn error_codes() -> String {
    let quoted = |code: &Code| format!("'{}'", code.as_str());
    let all = Code::ALL.iter().map(|code| format!("  {},\n", quoted(code))).collect::<Vec<_>>().concat();
    let retryable: Vec<String> = Code::ALL.iter().filter(|code| code.retryable()).map(quoted).collect();
    format!(
        "// Written from core/src/error/code.rs by core/tests/facade.rs: change it there.\n\n\
         /** Every code a {{@link StorageError}} can carry. Codes are stable: programs may branch on them. */\n\
         export const ERROR_CODES = [\n{all}] as const;\n\n\
         /** Codes after which the same call may succeed when it is made again. */\n\
         export const RETRYABLE_CODES = [{}] as const;\n\n\
         /** One of {{@link ERROR_CODES}}. */\n\
         export type ErrorCode = (typeof ERROR_CODES)[number];\n",
        retryable.join(", ")
    )
}

fn model_folders() -> String {
    let folders = MODEL_FOLDERS.map(|folder| format!("'{folder}'")).join(", ");
    format!(
        "// Written from core/src/keyspace.rs by core/tests/facade.rs: change it there.\n\n\
         /** Folders whose keys belong to the models: raw reads see them, raw writes there are refused. */\n\
         export const MODEL_FOLDERS = [{folders}] as const;\n"
    )
}

#[test]
fn the_facade_has_the_same_tables() {
    let facade = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ts");
    for (file, wanted) in [("errors/codes.ts", error_codes()), ("range/model-folders.ts", model_folders())] {
        let path = facade.join(file);
        if std::env::var_os("HOLDFAST_WRITE").is_some() {
            std::fs::write(&path, &wanted).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
        assert_eq!(found, wanted, "{file} is not what the tables in Rust say; run this test with HOLDFAST_WRITE=1");
    }
}
