import { prove } from '../../src/prove.mjs';

export const dynamic = 'force-dynamic';

export async function GET() {
  return new Response(await prove());
}
