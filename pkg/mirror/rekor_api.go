package mirror

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/mirror/internal/layout"
)

// answerLog answers the look-ups of Rekor v1 from the kept bundles: by identifier,
// index or proposed entry, one entry or several, and by hash.
// https://github.com/sigstore/rekor/blob/main/openapi.yaml
//
// An empty list says that the mirror keeps none. To a question that is not
// understood whole, the answer is a status of 4xx, never an empty list.
func (d *Mirror) answerLog(req *http.Request) *Answer {
	const all = "/api/v1/log/entries"
	method := http.MethodPost
	var look func() *Answer
	switch p := req.URL.Path; {
	case p == "/api/v1/index/retrieve":
		look = func() *Answer { return d.searchIndex(req) }
	case p == all+"/retrieve":
		look = func() *Answer { return d.searchLog(req) }
	case p == all:
		method, look = http.MethodGet, func() *Answer { return d.entryAt(req.URL.Query().Get("logIndex")) }
	case strings.HasPrefix(p, all+"/"):
		method, look = http.MethodGet, func() *Answer { return d.entryOf(strings.TrimPrefix(p, all+"/")) }
	default:
		return plain(http.StatusNotFound, fmt.Sprintf("https://%s%s is not in the mirror %s", layout.HostRekor, p, d.path))
	}
	if asked := cmp.Or(req.Method, http.MethodGet); asked != method && (method != http.MethodGet || asked != http.MethodHead) {
		return plain(http.StatusMethodNotAllowed, "the mirror answers only "+method+" here")
	}
	return look()
}

func (d *Mirror) searchIndex(req *http.Request) *Answer {
	var q struct {
		Hash string `json:"hash"`
	}
	if a := readQuery(req, &q); a != nil {
		return a
	}
	hash := strings.ToLower(strings.TrimPrefix(q.Hash, "sha256:"))
	if !isDigits(hash, 64) {
		return plain(http.StatusBadRequest, `want {"hash":"sha256:<64 hex digits>"}`)
	}
	return d.fromLog(func(l *keptLog) (any, bool) {
		list := slices.Clone(l.byHash[hash])
		slices.Sort(list)
		return append([]string{}, list...), len(list) > 0
	})
}

// wanted is one entry that a look-up asks for.
type wanted struct {
	key  string // under which the answer names it
	leaf string
}

func (d *Mirror) searchLog(req *http.Request) *Answer {
	var q struct {
		Entries []json.RawMessage `json:"entries"`
		UUIDs   []string          `json:"entryUUIDs"`
		Indexes []int64           `json:"logIndexes"`
	}
	if a := readQuery(req, &q); a != nil {
		return a
	}
	if n := len(q.Entries) + len(q.UUIDs) + len(q.Indexes); n > maxUUIDs {
		return plain(http.StatusUnprocessableEntity, fmt.Sprintf("at most %d entries at a time", maxUUIDs))
	} else if n == 0 {
		return plain(http.StatusUnprocessableEntity, "want entries, entryUUIDs or logIndexes")
	}
	var want []wanted
	for _, id := range q.UUIDs {
		w, err := byUUID(id)
		if err != nil {
			return plain(http.StatusBadRequest, err.Error())
		}
		want = append(want, w)
	}
	for _, e := range q.Entries {
		body, err := canonicalEntry(e)
		if err != nil {
			return plain(http.StatusUnprocessableEntity, "a proposed entry: "+err.Error())
		}
		leaf := leafHash(body)
		want = append(want, wanted{leaf, leaf})
	}
	return d.fromLog(func(l *keptLog) (any, bool) {
		list, found := []map[string]logEntry{}, 0
		for _, w := range want {
			for _, e := range l.entries[w.leaf] {
				list = append(list, map[string]logEntry{w.key: e})
			}
			found += min(1, len(l.entries[w.leaf]))
		}
		for _, i := range q.Indexes {
			if key, e, ok := l.at(i); ok {
				list = append(list, map[string]logEntry{key: e})
				found++
			}
		}
		return list, found == len(want)+len(q.Indexes)
	})
}

// at is the kept entry of an index over all shards.
func (l *keptLog) at(index int64) (key string, e logEntry, ok bool) {
	key = l.byIndex[index]
	for _, e := range l.entries[key] {
		if e.LogIndex == index {
			return key, e, true
		}
	}
	return "", logEntry{}, false
}

func (d *Mirror) entryAt(text string) *Answer {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return plain(http.StatusUnprocessableEntity, "want ?logIndex=NUMBER")
	}
	return d.one(func(l *keptLog) (string, logEntry, bool) { return l.at(n) })
}

func (d *Mirror) entryOf(id string) *Answer {
	w, err := byUUID(id)
	if err != nil {
		return plain(http.StatusBadRequest, err.Error())
	}
	return d.one(func(l *keptLog) (string, logEntry, bool) {
		list := l.entries[w.leaf]
		if len(list) == 0 {
			return "", logEntry{}, false
		}
		return w.key, list[0], true
	})
}

// one answers with a single entry, or with 404.
func (d *Mirror) one(find func(*keptLog) (string, logEntry, bool)) *Answer {
	missing := false
	a := d.fromLog(func(l *keptLog) (any, bool) {
		key, e, ok := find(l)
		missing = !ok
		return map[string]logEntry{key: e}, ok
	})
	if missing && a.Status == http.StatusOK {
		return plain(http.StatusNotFound, "the mirror keeps no such log entry")
	}
	return a
}

// byUUID reads an entry's identifier: the leaf hash, with or without the tree's id before it.
func byUUID(id string) (wanted, error) {
	if !isDigits(id, 64) && !isDigits(id, 80) {
		return wanted{}, errors.New("an entry's id has 64 or 80 hex digits")
	}
	return wanted{id, id[len(id)-64:]}, nil
}

func isDigits(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// canonicalEntry makes of a proposed entry what the log stores of it: the fields of
// hashedrekord 0.0.1 in alphabetical order (RFC 8785), with the certificate's or
// key's PEM written anew. Of other kinds it is an error, since what the log would
// make of them is not known here.
// https://github.com/sigstore/rekor/tree/main/pkg/types/hashedrekord/v0.0.1
func canonicalEntry(proposed []byte) ([]byte, error) {
	type hash struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"value"`
	}
	type key struct {
		Content []byte `json:"content"`
	}
	type signature struct {
		Content   []byte `json:"content"`
		PublicKey key    `json:"publicKey"`
	}
	var e struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Spec       struct {
			Data struct {
				Hash hash `json:"hash"`
			} `json:"data"`
			Signature signature `json:"signature"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(proposed, &e); err != nil {
		return nil, errors.New("not an entry of the log")
	}
	if e.Kind != "hashedrekord" || e.APIVersion != "0.0.1" {
		return nil, fmt.Errorf("kind %.40q version %.20q; the mirror answers hashedrekord 0.0.1", e.Kind, e.APIVersion)
	}
	sum, err := hex.DecodeString(e.Spec.Data.Hash.Value)
	if err != nil || len(sum) != 32 || e.Spec.Data.Hash.Algorithm != "sha256" {
		return nil, errors.New("want data.hash of a sha256 in hex")
	}
	e.Spec.Data.Hash.Value = strings.ToLower(e.Spec.Data.Hash.Value)
	block, rest := pem.Decode(e.Spec.Signature.PublicKey.Content)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 || len(e.Spec.Signature.Content) == 0 {
		return nil, errors.New("want signature.content and signature.publicKey of one PEM block")
	}
	if block.Type == "CERTIFICATE" {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return nil, errors.New("signature.publicKey is not a certificate that can be read")
		}
	}
	e.Spec.Signature.PublicKey.Content = pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})
	return json.Marshal(e)
}

// fromLog answers with what look gives. A look-up that comes back without what
// it asked for says so only if no kept bundle was unreadable.
func (d *Mirror) fromLog(look func(*keptLog) (v any, found bool)) *Answer {
	l, err := d.log()
	if err != nil {
		return d.refuse(err)
	}
	v, found := look(l)
	if !found && l.damage != nil {
		return d.refuse(l.damage)
	}
	return fromJSON(http.StatusOK, v)
}

// readQuery reads a look-up's body strictly: a member that is not understood
// might be the one that asks.
func readQuery(req *http.Request, q any) *Answer {
	if req.Body == nil {
		return plain(http.StatusBadRequest, "a look-up needs a body")
	}
	body, err := io.ReadAll(io.LimitReader(req.Body, MaxQuery+1))
	switch {
	case err != nil:
		return plain(http.StatusBadRequest, err.Error())
	case len(body) > MaxQuery:
		return plain(http.StatusBadRequest, fmt.Sprintf("a look-up of more than %d bytes, which is the limit", MaxQuery))
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(q); err != nil {
		return plain(http.StatusBadRequest, "a look-up that is invalid or not understood: "+strictjson.Plain(err).Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return plain(http.StatusBadRequest, "a look-up that is invalid: something follows it")
	}
	return nil
}
