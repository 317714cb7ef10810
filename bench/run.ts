/** draft */
import { SIZES } from './content.ts';
import { compare, median, spreadOf } from './harness.ts';
import { installPeers } from './peers.ts';
import { hops, pingPongs, streams } from './records.ts';
installPeers();
for (const size of SIZES.slice(0, 1)) for (const [n, g] of [['stream', streams], ['pingpong', pingPongs], ['hop', hops]] as const) {
  const c = await compare(`${n} ${size.name}`, g(size), { rounds: 3, sliceMs: 60 });
  console.log(c.group);
  for (const s of c.series) console.log('  ', s.name.padEnd(40), median(s.rates).toFixed(0), (spreadOf(s.rates)*100).toFixed(0)+'%');
  for (const m of c.missing) console.log('   missing', m.name, m.why);
}
