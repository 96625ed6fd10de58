#!/usr/bin/env bash
# Writes the embedded public-good trusted root, pkg/trust/data/trusted_root.json,
# and the TUF root that updates of it begin with, pkg/trust/data/tuf_root.json.
#
# Where it comes from: the seed of @sigstore/tuf, Sigstore's own TUF client for
# JavaScript. Its release carries the trusted_root.json target of
# tuf-repo-cdn.sigstore.dev, byte for byte. The Go modules carry one too
# (sigstore-go under examples/, sigstore under pkg/tuf/repository/), but theirs
# is older and does not know the log of 2025, log2025-1.
#
# What is checked: npm compares the package with the registry's hash, and this
# script with the one below; every certificate authority, log and CT log of the
# older copy in sigstore-go must be in the new one with the same key, so that
# two modules from two registries have to agree on what signed the past. The TUF
# root's signed part must be the very one that sigstore-go embeds, unless one of
# them is of a newer version; an update chains from it to the newest.
#
# With --check nothing is written; the file in the tree is compared instead.
set -euo pipefail
cd "$(dirname "$0")/../.."

package=@sigstore/tuf
version=4.0.2
integrity=sha512-TCAzTy0xzdP79EnxSjq9KQ3eaR7+FmudLC6eRKknVKZbV7ZNlGLClAAQb/HMNJ5n2OBNk2GT1tEmU0xuPr+SLQ==
target=pkg/trust/data/trusted_root.json
chain=pkg/trust/data/tuf_root.json

for tool in npm node; do
	command -v $tool >/dev/null || { echo "roots: $tool is not installed; only this target needs it" >&2; exit 1; }
done
module=$(go list -m -f '{{.Dir}}' github.com/sigstore/sigstore-go)
older=$module/examples/trusted-root-public-good.json

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && npm pack --silent "$package@$version" >/dev/null && mv ./*.tgz package.tgz && tar xzf package.tgz package/seeds.json)

node - "$work" "$integrity" "$older" "$module/pkg/tuf/repository/root.json" <<'JS'
const fs = require('fs'), crypto = require('crypto');
const [work, integrity, olderPath, chainPath] = process.argv.slice(2);
const fail = (message) => { console.error('roots: ' + message); process.exit(1); };

const got = 'sha512-' + crypto.createHash('sha512').update(fs.readFileSync(work + '/package.tgz')).digest('base64');
if (got !== integrity) fail(`the package hashes to ${got}, want ${integrity}`);

const seed = JSON.parse(fs.readFileSync(work + '/package/seeds.json'))['https://tuf-repo-cdn.sigstore.dev'];
const bytes = Buffer.from(seed.targets['trusted_root.json'], 'base64');
const fresh = JSON.parse(bytes), older = JSON.parse(fs.readFileSync(olderPath));

const keys = {
  tlogs: (log) => log.publicKey.rawBytes,
  ctlogs: (log) => log.publicKey.rawBytes,
  certificateAuthorities: (ca) => ca.certChain.certificates.map((c) => c.rawBytes).join(),
};
for (const [list, key] of Object.entries(keys)) {
  const known = new Set(fresh[list].map(key));
  for (const item of older[list]) {
    if (!known.has(key(item))) fail(`${list}: sigstore-go knows ${item.baseUrl || item.uri}, the new root does not`);
  }
  console.log(`roots: ${list}: ${older[list].length} of sigstore-go's are in it, ${known.size} in all`);
}
fs.writeFileSync(work + '/trusted_root.json', bytes);

const chain = Buffer.from(seed['root.json'], 'base64');
const first = JSON.parse(chain).signed, theirs = JSON.parse(fs.readFileSync(chainPath)).signed;
if (first.version === theirs.version && JSON.stringify(first) !== JSON.stringify(theirs)) fail('sigstore-go embeds another TUF root of version ' + first.version);
console.log(`roots: TUF root of version ${first.version}; sigstore-go's is ${theirs.version}`);
fs.writeFileSync(work + '/tuf_root.json', chain);
JS

if [[ ${1:-} == --check ]]; then
	cmp "$work/trusted_root.json" "$target"
	cmp "$work/tuf_root.json" "$chain"
	echo "roots: $target is that of $package@$version"
else
	mkdir -p "$(dirname "$target")"
	cp "$work/trusted_root.json" "$target"
	cp "$work/tuf_root.json" "$chain"
	echo "roots: wrote $target from $package@$version"
fi
real=../shared/realdata/sigstore/trusted_root.json
if [[ -f $real ]]; then
	cmp "$real" "$target" && echo "roots: $target equals $real"
fi
