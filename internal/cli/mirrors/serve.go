package mirrors

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/guess"
	"github.com/kverify/kverify/internal/par"
	"github.com/kverify/kverify/internal/web"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/mirror"
	"github.com/kverify/kverify/pkg/mirror/serve"
	"github.com/kverify/kverify/pkg/report"
	"github.com/spf13/cobra"
)

// serving is what mirror serve was asked for.
type serving struct {
	dir       string
	listen    string
	cert, key string
	accessLog string
	verify    string
}

func serveCommand(a *command.App) *cobra.Command {
	var flags command.Shared
	var s serving
	c := &cobra.Command{
		Use:   "serve DIR|FILE.tar",
		Short: "Serve a mirror as the outside world, and a page to choose from it",
		Long: `Serves a mirror, a directory or a tar archive of one, over HTTP: registry.k8s.io by the
OCI distribution API, the files of dl.k8s.io and sbom.k8s.io with ranges, and a web page
that shows what there is, each with its verdict. All of it on one port: the Host header
tells which host is meant, else the path does, /v2/ being the registry and
/dl.k8s.io/... the files.

Whatever a digest describes is compared again before it is sent, and refused if it is
damaged. The mirror is verified when it is opened and whenever it changes; what is
refuted is withheld, and what is unknown is served and said to be so.

/healthz says that it serves, /metrics what it did. SIGINT and SIGTERM end it, after
the answers that are under way.`,
		Example: command.WithExamples(
			"kverify mirror serve DIR  # on http://127.0.0.1:8080, the page included",
			"kverify mirror serve DIR --listen :443 --tls-cert tls.crt --tls-key tls.key  # for others, over TLS",
			"kverify mirror serve DIR --verify first  # begin only if all of it is verified",
			"curl -LO http://127.0.0.1:8080/dl.k8s.io/release/v1.27.2/bin/linux/amd64/kubectl",
			"crane pull 127.0.0.1:8080/kube-proxy:v1.27.2 kube-proxy.tar",
		),
		Args: func(_ *cobra.Command, args []string) error {
			switch len(args) {
			case 0:
				return &command.UsageError{Err: errors.New("mirror serve needs a mirror and got none; write kverify mirror serve DIR"), Hint: "try: kverify mirror serve --help"}
			case 1:
				return nil
			}
			return &command.UsageError{Err: fmt.Errorf("mirror serve takes one mirror and got %d; a mirror holds several releases", len(args)), Hint: "try: kverify mirror serve --help"}
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&s.listen, "listen", "127.0.0.1:8080", "listen on this `ADDRESS`; :8080 is every one of this machine's")
	f.StringVar(&s.cert, "tls-cert", "", "speak TLS with the certificate in this `FILE`; it is read again when it changes")
	f.StringVar(&s.key, "tls-key", "", "and with the key in this `FILE`")
	f.StringVar(&s.accessLog, "access-log", "-", "log requests to this `FILE`; - is stdout, none is nowhere")
	f.StringVar(&s.verify, "verify", "background", "verify the mirror in the `background`, first, or off")
	for _, name := range []string{"listen", "tls-cert", "tls-key", "access-log", "verify"} {
		_ = f.SetAnnotation(name, command.NotFromEnvironment, nil)
	}
	flags.AddTrust(f)
	flags.AddKey(f)
	flags.AddJobs(f, command.DefaultJobs, command.ExamineSubjects)
	flags.AddQuiet(f, "no remarks on stderr")
	_ = c.RegisterFlagCompletionFunc("verify", cobra.FixedCompletions(verifyModes, cobra.ShellCompDirectiveNoFileComp))
	c.RunE = func(c *cobra.Command, args []string) error {
		ctx, cancel, set, err := a.Begin(c, &flags)
		if err != nil {
			return err
		}
		defer cancel()
		s.dir = args[0]
		return serveMirror(ctx, a, set, s)
	}
	return c
}

var verifyModes = []string{"background", "first", "off"}

func (s serving) check() error {
	switch {
	case (s.cert == "") != (s.key == ""):
		return command.Usagef("TLS needs both --tls-cert and --tls-key; give both, or none for plain HTTP")
	case s.verify != "background" && s.verify != "first" && s.verify != "off":
		return command.Usagef("--verify %q is invalid; write %s%s", s.verify, command.OrList(verifyModes), guess.DidYouMean(s.verify, verifyModes))
	}
	return nil
}

const (
	// headerTimeout and maxHeaders bound what a client that has not asked yet can hold.
	headerTimeout = 10 * time.Second
	maxHeaders    = 32 << 10
	// requestTimeout bounds the reading of a request; no body is larger than a look-up's.
	requestTimeout = 30 * time.Second
	idleTimeout    = 2 * time.Minute
	// drainTimeout is for answers under way when the server is to end: below the
	// 30 s that orchestrators give before they kill.
	drainTimeout = 25 * time.Second
	// lookEvery is how often the mirror's lists are looked at for changes.
	lookEvery = 2 * time.Second
)

// serveMirror runs until ctx ends.
func serveMirror(ctx context.Context, a *command.App, set *command.Settings, s serving) error {
	if err := s.check(); err != nil {
		return err
	}
	set.Mirror = s.dir
	if _, err := a.Verifier(set); err != nil { // flags that make no sense, before anything is listening
		return err
	}
	dir, err := mirror.Open(s.dir)
	if err != nil {
		return err
	}
	log, closeLog, err := openLog(a, s.accessLog)
	if err != nil {
		return err
	}
	defer closeLog()
	h := serve.NewHandler(dir)
	h.Log, h.Tool = log, command.ThisBuild().Tool()
	server := &http.Server{
		Handler: h, ErrorLog: a.ServerLog(set),
		ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaders,
	}
	if server.TLSConfig, err = command.ServerTLS(ctx, s.cert, s.key); err != nil {
		return err
	}
	page := web.New(dir.Contents(), h.Tool)
	h.Page = page
	state := &served{app: a, set: set, dir: dir, handler: h, page: page, seen: stamp(s.dir)}
	if s.verify == "first" {
		r, err := state.inspect(ctx)
		if err != nil {
			return err
		}
		if v := r.Verdict(); v != report.Verified {
			a.Code = command.VerdictExit[v]
			return fmt.Errorf("the mirror %s is not served: of its subjects %d are refuted and %d unknown; see kverify verify %s, or serve it with --verify background", s.dir, r.Count(report.Refuted), r.Count(report.Unknown), s.dir)
		}
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", s.listen)
	if err != nil {
		return command.Usagef("--listen %s: %w; name an ADDRESS:PORT of this machine that is free", s.listen, command.PlainError(err))
	}
	ln = serve.Listen(server, ln)
	scheme := "http"
	if server.TLSConfig != nil {
		scheme = "https"
	}
	if !set.Quiet {
		a.Say("serving %s on %s://%s", s.dir, scheme, ln.Addr())
	}
	return serveUntil(ctx, a, server, ln, func(ctx context.Context) {
		if s.verify == "background" {
			state.verify(ctx)
		}
		state.watch(ctx, s.verify != "off")
	})
}

// serveUntil serves on ln, works beside it, and ends both with ctx.
func serveUntil(ctx context.Context, a *command.App, server *http.Server, ln net.Listener, work func(context.Context)) (err error) {
	working, stop := context.WithCancel(ctx)
	defer stop()
	par.Do(
		func() {
			defer stop()
			if server.TLSConfig != nil {
				err = server.ServeTLS(ln, "", "")
			} else {
				err = server.Serve(ln)
			}
		},
		func() {
			<-working.Done()
			draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
			defer cancel()
			a.Drained = server.Shutdown(draining) == nil
			_ = server.Close()
		},
		func() { work(working) },
	)
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// openLog opens the access log.
func openLog(a *command.App, name string) (io.Writer, func(), error) {
	switch name {
	case "-":
		return a.Stdout, func() {}, nil
	case "none":
		return nil, func() {}, nil
	}
	var f io.WriteCloser
	var err error
	if info, e := os.Stat(name); e == nil && !info.Mode().IsRegular() {
		f, err = fetch.OpenOutput(name)
	} else {
		f, err = os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY|syscall.O_NONBLOCK, 0o640)
	}
	if err != nil {
		return nil, nil, command.Usagef("--access-log %s: %w; name a file that can be written to", name, command.PlainError(err))
	}
	return f, func() { _ = f.Close() }, nil
}

// served is a mirror that is being served.
type served struct {
	app     *command.App
	set     *command.Settings
	dir     *mirror.Mirror
	handler *serve.Handler
	page    *web.Page
	seen    string // stamp of dir when it was opened
}

// inspect verifies the mirror as it is open now, and shows what came of it.
func (s *served) inspect(ctx context.Context) (report.Report, error) {
	held := s.dir.Contents()
	s.page.Pending(held)
	v, err := s.app.Verifier(s.set)
	if err != nil {
		s.page.Failed(held, err)
		return report.Report{}, err
	}
	r, err := s.dir.Verify(ctx, v)
	switch {
	case err != nil:
		s.page.Failed(held, err)
	case ctx.Err() == nil:
		s.handler.Judge(r)
		s.page.Judge(held, r)
	}
	return r, err
}

// verify verifies the mirror and says what came of it. A fault of that is not
// the end of serving.
func (s *served) verify(ctx context.Context) {
	r, err := s.inspect(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.app.Say("%s could not be verified: %v; it is served without verdicts", s.set.Mirror, err)
	case !s.set.Quiet || r.Verdict() == report.Refuted:
		s.app.Say("%s: %s: %d verified, %d refuted, %d unknown", s.set.Mirror, r.Verdict(), r.Count(report.Verified), r.Count(report.Refuted), r.Count(report.Unknown))
	}
}

// watch opens the mirror anew when its lists have changed and have rested
// since, so that what was put into it is served without a new start.
func (s *served) watch(ctx context.Context, verify bool) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for before := s.seen; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := stamp(s.set.Mirror)
		if now == s.seen || now != before {
			before = now
			continue
		}
		s.seen = now
		dir, err := mirror.Open(s.set.Mirror)
		if err != nil {
			s.app.Say("%s has changed, and cannot be opened: %v; it is served as it was", s.set.Mirror, err)
			continue
		}
		s.dir = dir // the one before is closed by the runtime, when nothing is sent from it any more
		s.handler.Swap(dir)
		if verify {
			s.verify(ctx)
		} else {
			s.page.Show(dir.Contents())
		}
	}
}

// stamp tells a mirror's lists as they are from what they were.
func stamp(dir string) string {
	var b strings.Builder
	for _, name := range []string{"", "MANIFEST.json", filepath.Join("oci", "index.json")} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && (name != "" || !info.IsDir()) {
			fmt.Fprintf(&b, "%s %d %d\n", name, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}
