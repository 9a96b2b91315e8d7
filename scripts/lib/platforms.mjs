// The platforms a release is built for. npm/, the loader's table, the staged package's optionalDependencies and the
// release gate all follow this list; the workflows name the same eight.
export const scope = '@holdfast';

export const platforms = [
  { id: 'linux-x64-gnu', target: 'x86_64-unknown-linux-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  { id: 'linux-arm64-gnu', target: 'aarch64-unknown-linux-gnu', os: 'linux', cpu: 'arm64', libc: 'glibc' },
  { id: 'linux-x64-musl', target: 'x86_64-unknown-linux-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  { id: 'linux-arm64-musl', target: 'aarch64-unknown-linux-musl', os: 'linux', cpu: 'arm64', libc: 'musl' },
  { id: 'darwin-x64', target: 'x86_64-apple-darwin', os: 'darwin', cpu: 'x64' },
  { id: 'darwin-arm64', target: 'aarch64-apple-darwin', os: 'darwin', cpu: 'arm64' },
  { id: 'win32-x64-msvc', target: 'x86_64-pc-windows-msvc', os: 'win32', cpu: 'x64' },
  { id: 'win32-arm64-msvc', target: 'aarch64-pc-windows-msvc', os: 'win32', cpu: 'arm64' },
].map((platform) => ({
  ...platform,
  package: `${scope}/${platform.id}`,
  addon: `holdfast.${platform.id}.node`,
}));

/** The platform a Rust target triple builds for, or undefined. */
export const platformOfTarget = (target) => platforms.find((platform) => platform.target === target);
