declare const PACKAGE_VERSION: string;

/** The version of the package, which the build takes from package.json. */
export const VERSION: string = PACKAGE_VERSION;
