/**
 * Takes the place of `traced.ts` in the build for bundlers. They would follow a literal `require`, and most of them
 * fail then, as they cannot parse the addon.
 */
export function tracedAddon(_platform: string): unknown {
  return undefined;
}
