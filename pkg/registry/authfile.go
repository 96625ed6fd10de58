package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// MaxAuthFile caps a file of credentials. Real ones are a few KiB; the secret of
// a cluster that one is mounted from is at most 1 MiB.
const MaxAuthFile = 1 << 20

// AuthFile is one place that credentials may be written in.
type AuthFile struct {
	Name  string // for messages: a path, or the variable that holds the text
	Named bool   // by the user, who will want to know if there is none
	// Read gives the text, of at most MaxAuthFile bytes; an error that is
	// [fs.ErrNotExist] says that there is none.
	Read func() ([]byte, error)
}

// AuthFiles is a [Keychain] of files as docker login and podman login write
// them, and as Kubernetes mounts them (kubernetes.io/dockerconfigjson).
//
// The first file that has something for a target decides. In a file the longest
// key counts that is the target's name or a prefix of it at the boundary of a
// path (containers-auth.json(5)): of "HOST/org-a/team", "HOST/org-a" and "HOST",
// never one of another path, host or port. A key with a scheme, such as
// "https://HOST/v1/", is of that scheme alone. Credential helpers (credHelpers,
// credsStore) are run, and what they do not know is looked for in the file.
type AuthFiles struct {
	Files []AuthFile

	mu     sync.Mutex
	parsed map[int]*authDocument
	helped map[string]Credentials
}

// AuthFileError says why credentials could not be looked up.
type AuthFileError struct {
	File string
	Err  error // never holds a credential
}

func (e *AuthFileError) Error() string {
	return fmt.Sprintf("the credentials in %s cannot be used: %s", strconv.QuoteToASCII(e.File), e.Err)
}

// Unwrap gives the cause.
func (e *AuthFileError) Unwrap() error { return e.Err }

// Credentials looks a target up. The error is an [*AuthFileError].
func (a *AuthFiles) Credentials(ctx context.Context, t Target) (Credentials, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, f := range a.Files {
		doc, err := a.load(i)
		if err != nil {
			return Credentials{}, &AuthFileError{File: f.Name, Err: err}
		}
		if doc == nil {
			continue
		}
		got, err := a.find(ctx, doc, t)
		if err != nil {
			return Credentials{}, &AuthFileError{File: f.Name, Err: err}
		}
		if !got.anonymous() {
			return got, nil
		}
	}
	return Credentials{}, nil
}

// Looked lists the files that there are or should be, for a message that says where nothing
// was found.
func (a *AuthFiles) Looked() (names []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, f := range a.Files {
		switch doc, err := a.load(i); {
		case doc != nil || err != nil:
			names = append(names, f.Name)
		case f.Named:
			names = append(names, f.Name+" (which is not there)")
		}
	}
	return names
}

// load reads a file once; nil if there is none.
func (a *AuthFiles) load(i int) (*authDocument, error) {
	if doc, ok := a.parsed[i]; ok {
		return doc, nil
	}
	if a.parsed == nil {
		a.parsed = map[int]*authDocument{}
	}
	text, err := a.Files[i].Read()
	if errors.Is(err, fs.ErrNotExist) {
		a.parsed[i] = nil
		return nil, nil //nolint:nilnil // that there is none is an answer
	}
	if err != nil {
		return nil, err
	}
	doc, err := parseAuths(text)
	if err == nil {
		a.parsed[i] = doc
	}
	return doc, err
}

// find gives what one file has for a target.
func (a *AuthFiles) find(ctx context.Context, doc *authDocument, t Target) (Credentials, error) {
	for _, name := range prefixes(t) {
		var own Credentials
		for _, e := range doc.entries[name] {
			if own.anonymous() && e.fits(t.Plain) {
				own = e.Credentials
			}
		}
		helper, server := "", ""
		if h, ok := doc.helpers[name]; ok && h.fits(t.Plain) {
			helper, server = h.helper, h.server
		} else if !strings.Contains(name, "/") { // a store, if there is one, knows hosts
			helper, server = doc.store, serverName(name)
		}
		if helper != "" {
			c, err := a.help(ctx, helper, server)
			if !c.anonymous() {
				return c, nil
			}
			if err != nil && own.anonymous() {
				return Credentials{}, err
			}
		}
		if !own.anonymous() {
			return own, nil
		}
	}
	return Credentials{}, nil
}

// help asks a helper, once for each server.
func (a *AuthFiles) help(ctx context.Context, helper, server string) (Credentials, error) {
	key := helper + "\n" + server
	if c, ok := a.helped[key]; ok {
		return c, nil
	}
	c, err := runHelper(ctx, helper, server)
	if err != nil {
		return c, err
	}
	if a.helped == nil {
		a.helped = map[string]Credentials{}
	}
	a.helped[key] = c
	return c, nil
}

// prefixes are the names that a key may have for a target, the longest first.
func prefixes(t Target) (names []string) {
	const maxParts = 64
	host := withoutPort(canonicalHost(t.Host), t.Plain)
	parts := strings.Split(strings.Trim(t.Repository, "/"), "/")
	for n := min(len(parts), maxParts); n > 0; n-- {
		if parts[0] != "" {
			names = append(names, host+"/"+strings.Join(parts[:n], "/"))
		}
	}
	return append(names, host)
}

const dockerHub = "index.docker.io"

// canonicalHost gives Docker Hub its one name.
func canonicalHost(host string) string {
	host = strings.ToLower(host)
	if host == "docker.io" || host == "registry-1.docker.io" || host == "registry.hub.docker.com" {
		return dockerHub
	}
	return host
}

// withoutPort takes off the port that the scheme implies.
func withoutPort(host string, plain bool) string {
	if plain {
		return strings.TrimSuffix(host, ":80")
	}
	return strings.TrimSuffix(host, ":443")
}

// serverName is what helpers know a host by.
func serverName(host string) string {
	if host == dockerHub {
		return "https://" + dockerHub + "/v1/"
	}
	return host
}

// authDocument is a file of credentials, by the names of its keys.
type authDocument struct {
	entries map[string][]authEntry
	helpers map[string]authHelper
	store   string
}

// keyScheme is of a key that names one: it is good for nothing else.
type keyScheme string

func (s keyScheme) fits(plain bool) bool {
	return s == "" || s == "http" && plain || s == "https" && !plain
}

type authEntry struct {
	Credentials
	keyScheme
}

type authHelper struct {
	helper, server string
	keyScheme
}

// keyName reads a key of a file: HOST[/PATH], with or without a scheme, and
// with the API's own path (/v1/, /v2/) that docker login writes.
func keyName(key string) (name string, scheme keyScheme) {
	for _, s := range []keyScheme{"https", "http"} {
		if rest, ok := strings.CutPrefix(key, string(s)+"://"); ok {
			key, scheme = rest, s
		}
	}
	host, path, _ := strings.Cut(strings.TrimRight(key, "/"), "/")
	if scheme != "" || canonicalHost(host) == dockerHub {
		path = strings.Trim(path, "/")
		for _, api := range []string{"v1", "v2"} {
			if path == api {
				path = ""
			}
			path = strings.TrimSuffix(path, "/"+api)
		}
	}
	host = canonicalHost(host)
	// What stands in a key is what it is of: ":443" is TLS's, ":80" plain HTTP's.
	switch {
	case scheme == "https", scheme == "" && strings.HasSuffix(host, ":443"):
		host, scheme = withoutPort(host, false), "https"
	case scheme == "http", strings.HasSuffix(host, ":80"):
		host, scheme = withoutPort(host, true), "http"
	}
	if path != "" {
		host += "/" + path
	}
	return host, scheme
}

// authJSON is the form of config.json (docker), auth.json (containers) and
// .dockerconfigjson (Kubernetes).
type authJSON struct {
	Auths       map[string]authJSONEntry `json:"auths"`
	CredHelpers map[string]string        `json:"credHelpers"`
	CredsStore  string                   `json:"credsStore"`
}

type authJSONEntry struct {
	Auth          string `json:"auth"`
	Username      string `json:"username"`
	Password      string `json:"password"`
	IdentityToken string `json:"identitytoken"`
	RegistryToken string `json:"registrytoken"`
}

// parseAuths reads a file of credentials. No error repeats anything of it.
func parseAuths(text []byte) (*authDocument, error) {
	var in authJSON
	if len(text) > MaxAuthFile {
		return nil, fmt.Errorf("it has more than %d bytes", MaxAuthFile)
	}
	if err := json.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &in); err != nil {
		return nil, errors.New(`it is not JSON of the form {"auths": {"HOST": {"auth": "..."}}}`)
	}
	doc := &authDocument{entries: map[string][]authEntry{}, helpers: map[string]authHelper{}, store: in.CredsStore}
	for _, key := range sortedKeys(in.Auths) {
		name, scheme := keyName(key)
		c, err := in.Auths[key].credentials()
		if err != nil {
			return nil, fmt.Errorf("its entry of %s: %w", strconv.QuoteToASCII(clip(name)), err)
		}
		doc.entries[name] = append(doc.entries[name], authEntry{c, scheme})
	}
	for _, list := range doc.entries {
		// One that names its scheme is the closer; the rest is in the keys' order.
		slices.SortStableFunc(list, func(a, b authEntry) int { return strings.Compare(string(b.keyScheme), string(a.keyScheme)) })
	}
	for _, key := range sortedKeys(in.CredHelpers) {
		name, scheme := keyName(key)
		server := key
		if name == dockerHub {
			server = serverName(name)
		}
		if in.CredHelpers[key] != "" {
			doc.helpers[name] = authHelper{in.CredHelpers[key], server, scheme}
		}
	}
	return doc, nil
}

// credentials reads an entry as docker writes it: "auth" is base64 of
// "user:password", and the other members where it is absent.
func (e authJSONEntry) credentials() (Credentials, error) {
	c := Credentials{Username: e.Username, Password: e.Password, IdentityToken: e.IdentityToken, RegistryToken: e.RegistryToken}
	if e.Auth != "" {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(e.Auth))
		if err != nil {
			raw, err = base64.RawStdEncoding.DecodeString(strings.TrimSpace(e.Auth))
		}
		user, password, ok := strings.Cut(string(raw), ":")
		if err != nil || !ok {
			return Credentials{}, errors.New(`its "auth" is not the base64 form of USER:PASSWORD`)
		}
		c.Username, c.Password = user, strings.Trim(password, "\x00")
	}
	if c.Username == tokenUser && c.IdentityToken == "" {
		c = Credentials{IdentityToken: c.Password}
	}
	return c, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
