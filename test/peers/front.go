package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry/handlers"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // where the registry keeps its blobs
	"github.com/sirupsen/logrus"

	"github.com/kverify/kverify/internal/world"
)

const (
	pathImages = "/v2/k8s-artifacts-prod/images/" // of Artifact Registry
	pathBlobs  = "/containers/images/"            // of the storage host
)

// front answers for every host: for those of the registry out of a real one,
// for the others out of the world.
type front struct {
	world     *world.World
	registry  http.Handler      // nil where the world is the registry, for many releases
	homes     map[string]string // of each blob a repository that has it
	redirects atomic.Bool       // as registry.k8s.io does; else it answers itself
	requests  atomic.Int64

	mu    sync.Mutex
	begun time.Time
	trace io.Writer // nil: no line a request
}

// newRegistry is a real registry, which keeps its blobs in dir.
func newRegistry(ctx context.Context, dir string) http.Handler {
	logrus.SetOutput(io.Discard)
	return handlers.NewApp(ctx, &configuration.Configuration{
		Version: "0.1",
		Storage: configuration.Storage{
			"filesystem":  {"rootdirectory": dir},
			"cache":       {"blobdescriptor": "inmemory"},
			"maintenance": {"uploadpurging": map[any]any{"enabled": false}},
		},
		Catalog: configuration.Catalog{MaxEntries: 100},
	})
}

// serve starts the TLS listener.
func (f *front) serve(ctx context.Context) (addr string, err error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s := &http.Server{Handler: f, TLSConfig: f.world.TLSConfig(), ReadHeaderTimeout: time.Minute, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.ServeTLS(l, "", "") }()
	return l.Addr().String(), nil
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.requests.Add(1)
	f.note(r)
	switch {
	case r.Host == world.HostRegistry && f.redirects.Load() && r.URL.Path != "/v2/":
		f.redirect(w, r)
	case r.Host == world.HostRegistry, r.Host == privateHost:
		f.answer(w, r, r.URL.Path)
	case r.Host == world.HostManifests, r.Host == world.HostSignatures:
		f.answer(w, r, "/v2/"+strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, pathImages), "/v2/"))
	case r.Host == world.HostBlobs:
		digest := strings.TrimPrefix(r.URL.Path, pathBlobs)
		f.answer(w, r, "/v2/"+f.homes[digest]+"/blobs/"+digest)
	default:
		f.world.ServeHTTP(w, r)
	}
}

func (f *front) note(r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.trace != nil {
		fmt.Fprintf(f.trace, "%7.1f ms  %s %s %s%s\n", float64(time.Since(f.begun).Microseconds())/1000, r.Proto, r.Method, r.Host, r.URL.Path)
	}
}

// redirect sends a request where registry.k8s.io does: manifests to Artifact
// Registry of a region near by, signatures to the one that has them all,
// blobs to a storage host.
func (f *front) redirect(w http.ResponseWriter, r *http.Request) {
	rest := strings.TrimPrefix(r.URL.Path, "/v2/")
	to := "https://" + world.HostManifests + pathImages + rest
	switch i := strings.LastIndex(rest, "/blobs/"); {
	case i >= 0:
		to = "https://" + world.HostBlobs + pathBlobs + rest[i+len("/blobs/"):]
	case strings.HasSuffix(rest, ".sig"), strings.HasSuffix(rest, ".att"):
		to = "https://" + world.HostSignatures + pathImages + rest
	}
	http.Redirect(w, r, to, http.StatusTemporaryRedirect)
}

func (f *front) answer(w http.ResponseWriter, r *http.Request, path string) {
	own := r.Clone(r.Context())
	own.RequestURI, own.URL.RawPath = "", ""
	if f.registry != nil {
		own.URL.Path = path
		f.registry.ServeHTTP(w, own)
		return
	}
	own.Host, own.URL.Path = world.HostSignatures, pathImages+strings.TrimPrefix(path, "/v2/")
	f.world.ServeHTTP(w, own)
}

// fill puts the core images of a release, their per-architecture repositories
// and the signatures of both into the registry, byte for byte.
func (f *front) fill(version string) error {
	f.homes = map[string]string{}
	for _, repo := range repositories(f.world, version) {
		for _, tag := range f.world.Tags(repo) {
			if tag != version && !strings.HasSuffix(tag, ".sig") {
				continue
			}
			if err := f.push(repo, f.world.Digest(repo+":"+tag), tag); err != nil {
				return fmt.Errorf("%s:%s: %w", repo, tag, err)
			}
		}
	}
	return nil
}

// repositories are those of a release's references: of each core image one,
// and one for each of its architectures.
func repositories(w *world.World, version string) (repos []string) {
	names, tags := w.Images(version)
	for i, name := range names {
		if tags[i] != version {
			continue // pause, etcd and coredns have versions of their own
		}
		repos = append(repos, name)
		for _, arch := range w.Arches(version) {
			repos = append(repos, name+"-"+arch)
		}
	}
	return repos
}

func (f *front) push(repo, digest, tag string) error {
	m, ok := f.world.Manifest(repo + "@" + digest)
	if !ok {
		return errors.New("the world has no such manifest")
	}
	type named struct {
		Digest string `json:"digest"`
	}
	var doc struct {
		Manifests, Layers []named
		Config            named
	}
	if err := json.Unmarshal(m.Body, &doc); err != nil {
		return err
	}
	for _, child := range doc.Manifests {
		if err := f.push(repo, child.Digest, child.Digest); err != nil {
			return err
		}
	}
	for _, blob := range append(doc.Layers, doc.Config) {
		if blob.Digest == "" || f.homes[blob.Digest+" "+repo] != "" {
			continue
		}
		f.homes[blob.Digest], f.homes[blob.Digest+" "+repo] = repo, repo
		start, err := f.put(http.MethodPost, "/v2/"+repo+"/blobs/uploads/", "", nil, http.StatusAccepted)
		if err != nil {
			return err
		}
		to := start.Get("Location")
		if _, err := f.put(http.MethodPut, to+"&digest="+blob.Digest, "application/octet-stream", f.world.Blob(blob.Digest), http.StatusCreated); err != nil {
			return err
		}
	}
	_, err := f.put(http.MethodPut, "/v2/"+repo+"/manifests/"+tag, m.MediaType, m.Body, http.StatusCreated)
	return err
}

func (f *front) put(method, url, mediaType string, body []byte, want int) (http.Header, error) {
	req := httptest.NewRequest(method, url, bytes.NewReader(body))
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	w := httptest.NewRecorder()
	f.registry.ServeHTTP(w, req)
	if w.Code != want {
		return nil, fmt.Errorf("%s %s: %d %s", method, url, w.Code, w.Body)
	}
	return w.Header(), nil
}

// control is how the measuring process speaks to this one.
func (f *front) control(l *line) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /begin", func(_ http.ResponseWriter, r *http.Request) {
		rtt, _ := time.ParseDuration(r.FormValue("rtt"))
		l.rtt.Store(int64(rtt))
		f.redirects.Store(r.FormValue("redirects") == "true")
		f.requests.Store(0)
		l.bytes.Store(0)
		l.connections.Store(0)
		f.mu.Lock()
		f.begun, f.trace = time.Now(), nil
		if r.FormValue("trace") == "true" {
			f.trace = os.Stderr
		}
		f.mu.Unlock()
	})
	mux.HandleFunc("GET /counts", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(counts{f.requests.Load(), l.connections.Load(), l.bytes.Load()})
	})
	return mux
}

// counts are what a run took from the network.
type counts struct{ Requests, Connections, Bytes int64 }
