package world

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// TUF is a repository of The Update Framework with one target, as Sigstore's
// own: consistent snapshots, three of five keys for root and targets, one for
// snapshot and timestamp. Every field may be changed before [TUF.Publish].
// Format: theupdateframework.github.io/specification, 4.
type TUF struct {
	Seed      string
	Root      int // versions; the roots from 1 on are all published
	Timestamp int
	Snapshot  int
	Targets   int
	Expires   map[string]time.Time                   // by role; ten days from now where there is none
	Signers   map[string]int                         // how many of the keys sign a role; as many as must where there is none
	KeySeed   map[string]string                      // of a role whose keys are another's; Seed where there is none
	Edit      map[string]func(signed map[string]any) // changes what a role's keys sign
	Target    []byte                                 // the trusted root
	Served    []byte                                 // what is served in its place; Target if nil
}

// NewTUF makes a repository that publishes a trusted root.
func NewTUF(target []byte) *TUF {
	return &TUF{Root: 1, Timestamp: 1, Snapshot: 1, Targets: 1, Target: target,
		Expires: map[string]time.Time{}, Signers: map[string]int{}, KeySeed: map[string]string{}, Edit: map[string]func(map[string]any){}}
}

var tufRoles = []string{"root", "targets", "snapshot", "timestamp"}

func tufThreshold(role string) (least, keys int) {
	if role == "root" || role == "targets" {
		return 3, 5
	}
	return 1, 1
}

func (t *TUF) key(seed, role string, n int) ed25519.PrivateKey {
	sum := sha256.Sum256(fmt.Appendf(nil, "kverify test TUF key %q %q %d", seed, role, n))
	return ed25519.NewKeyFromSeed(sum[:])
}

func tufKey(k ed25519.PrivateKey) (id string, description any) {
	type m = map[string]any
	description = m{"keytype": "ed25519", "scheme": "ed25519", "keyval": m{"public": hex.EncodeToString(k.Public().(ed25519.PublicKey))}}
	return hexSHA256(compactJSON(description)), description
}

// signed writes a role's metadata. What is signed is the canonical JSON, which
// for these documents (no escapes, sorted keys) is what compactJSON writes.
func (t *TUF) signed(role string, version int, fields map[string]any) []byte {
	type m = map[string]any
	fields["_type"], fields["version"], fields["spec_version"] = role, version, "1.0.31"
	expires, ok := t.Expires[role]
	if !ok {
		expires = time.Now().AddDate(0, 0, 10)
	}
	fields["expires"] = expires.UTC().Format("2006-01-02T15:04:05Z")
	if edit := t.Edit[role]; edit != nil {
		edit(fields)
	}
	signers, ok := t.Signers[role]
	if !ok {
		signers, _ = tufThreshold(role)
	}
	signatures := []m{}
	for n := range signers {
		k := t.key(orElse(t.KeySeed[role], t.Seed), role, n)
		id, _ := tufKey(k)
		signatures = append(signatures, m{"keyid": id, "sig": hex.EncodeToString(ed25519.Sign(k, compactJSON(fields)))})
	}
	return compactJSON(m{"signed": fields, "signatures": signatures})
}

// RootJSON is the root of a version.
func (t *TUF) RootJSON(version int) []byte {
	type m = map[string]any
	keys, roles := m{}, m{}
	for _, role := range tufRoles {
		least, n := tufThreshold(role)
		ids := []string{}
		for i := range n {
			id, description := tufKey(t.key(t.Seed, role, i))
			ids, keys[id] = append(ids, id), description
		}
		roles[role] = m{"keyids": ids, "threshold": least}
	}
	return t.signed("root", version, m{"consistent_snapshot": true, "keys": keys, "roles": roles})
}

// Publish replaces what the world serves of the repository.
func (t *TUF) Publish(w *World) {
	type m = map[string]any
	base := "https://" + HostTUF + "/"
	sum256, sum512 := sha256.Sum256(t.Target), sha512.Sum512(t.Target)
	hashes := m{"sha256": hex.EncodeToString(sum256[:]), "sha512": hex.EncodeToString(sum512[:])}
	targets := t.signed("targets", t.Targets, m{"targets": m{"trusted_root.json": m{"length": len(t.Target), "hashes": hashes}}})
	snapshot := t.signed("snapshot", t.Snapshot, m{"meta": m{"targets.json": m{"version": t.Targets}}})
	timestamp := t.signed("timestamp", t.Timestamp, m{"meta": m{"snapshot.json": m{"version": t.Snapshot, "length": len(snapshot), "hashes": m{"sha256": hexSHA256(snapshot)}}}})
	served := t.Target
	if t.Served != nil {
		served = t.Served
	}
	w.mu.Lock()
	for key := range w.files {
		if len(key) > len(HostTUF) && key[:len(HostTUF)] == HostTUF {
			delete(w.files, key)
		}
	}
	w.mu.Unlock()
	for v := 1; v <= t.Root; v++ {
		w.PutFile(fmt.Sprintf("%s%d.root.json", base, v), t.RootJSON(v))
	}
	w.PutFile(fmt.Sprintf("%s%d.targets.json", base, t.Targets), targets)
	w.PutFile(fmt.Sprintf("%s%d.snapshot.json", base, t.Snapshot), snapshot)
	w.PutFile(base+"timestamp.json", timestamp)
	for _, h := range hashes {
		w.PutFile(base+"targets/"+h.(string)+".trusted_root.json", served)
	}
}

// EditRoot changes a trusted root's JSON: change gets the lists tlogs, ctlogs,
// certificateAuthorities and timestampAuthorities.
func EditRoot(trustedRoot []byte, change func(root map[string][]map[string]any)) []byte {
	var all map[string]json.RawMessage
	must(json.Unmarshal(trustedRoot, &all))
	lists := map[string][]map[string]any{}
	for name, raw := range all {
		var list []map[string]any
		if json.Unmarshal(raw, &list) == nil {
			lists[name] = list
		}
	}
	change(lists)
	for name, list := range lists {
		all[name] = compactJSON(list)
	}
	out, err := json.MarshalIndent(all, "", "  ")
	must(err)
	return out
}
