package convert_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kverify/kverify/pkg/convert"
)

func TestDifferences(t *testing.T) {
	const genuine = `{"os":"linux","created":"2024-05-14T08:28:13Z","config":{"Entrypoint":["/kube-proxy"],"Env":["A=1","B=2"],"Cmd":null,"User":"65532","Volumes":{"/a":{}},"Labels":{"x":"1"},"Healthcheck":{"Test":["CMD-SHELL","true"]}},"rootfs":{"diff_ids":["sha256:1"]}}`
	for name, c := range map[string]struct {
		old, with string
		run, rest []string
	}{
		"equal":                       {"linux", "linux", nil, nil},
		"an entrypoint":               {`["/kube-proxy"]`, `["/evil"]`, []string{"Entrypoint"}, nil},
		"a longer entrypoint":         {`["/kube-proxy"]`, `["/kube-proxy","-x"]`, []string{"Entrypoint"}, nil},
		"an entrypoint as a text":     {`["/kube-proxy"]`, `"/kube-proxy"`, []string{"Entrypoint"}, nil},
		"no entrypoint":               {`"Entrypoint":["/kube-proxy"],`, ``, []string{"Entrypoint"}, nil},
		"an entrypoint in lower case": {`"Entrypoint":["/kube-proxy"]`, `"entrypoint":["/evil"]`, []string{"Entrypoint"}, nil},
		"a name in lower case":        {`"Entrypoint":`, `"entrypoint":`, nil, nil},
		"config in upper case":        {`"config":{"Entrypoint":["/kube-proxy"]`, `"CONFIG":{"Entrypoint":["/evil"]`, []string{"Entrypoint"}, nil},
		"a long s":                    {`"User":"65532"`, `"Uſer":"0"`, []string{"User"}, nil},
		"an added Cmd":                {`"Cmd":null`, `"Cmd":["--x"]`, []string{"Cmd"}, nil},
		"an empty Cmd":                {`"Cmd":null`, `"Cmd":[]`, nil, nil},
		"the order of Env":            {`"A=1","B=2"`, `"B=2","A=1"`, []string{"Env"}, nil},
		"an added variable":           {`"A=1",`, `"LD_PRELOAD=/x","A=1",`, []string{"Env"}, nil},
		"root":                        {`"User":"65532",`, ``, []string{"User"}, nil},
		"a directory":                 {`"User"`, `"WorkingDir":"/tmp","User"`, []string{"WorkingDir"}, nil},
		"a volume":                    {`{"/a":{}}`, `{"/a":{},"/b":{}}`, []string{"Volumes"}, nil},
		"a volume's case":             {`{"/a":{}}`, `{"/A":{}}`, []string{"Volumes"}, nil},
		"a volume's value":            {`{"/a":{}}`, `{"/a":null}`, nil, nil},
		"a dropped health check":      {`,"Healthcheck":{"Test":["CMD-SHELL","true"]}`, ``, nil, []string{"config.Healthcheck"}},
		"another health check":        {`"CMD-SHELL","true"`, `"CMD-SHELL","evil"`, []string{"Healthcheck"}, nil},
		"its shell":                   {`"User"`, `"Shell":["/evil"],"User"`, []string{"Shell"}, nil},
		"escaped arguments":           {`"User"`, `"ArgsEscaped":true,"User"`, []string{"ArgsEscaped"}, nil},
		"labels and time":             {`{"x":"1"}`, `{"x":"2"},"New":1`, nil, []string{"config.Labels", "config.New"}},
		"other members":               {`"os":"linux","created":"2024-05-14T08:28:13Z"`, `"os":"windows","variant":"v8"`, nil, []string{"created", "os", "variant"}},
		"layers":                      {`sha256:1`, `sha256:2`, nil, []string{"rootfs"}},
		"two at once":                 {`["/kube-proxy"],"Env":["A=1"`, `["/evil"],"Env":["A=0"`, []string{"Entrypoint", "Env"}, nil},
	} {
		other := strings.Replace(genuine, c.old, c.with, 1)
		if !strings.Contains(genuine, c.old) {
			t.Errorf("%s: nothing is changed", name)
		}
		run, rest, err := convert.Differences([]byte(genuine), []byte(other))
		if err != nil || !slices.Equal(run, c.run) || !slices.Equal(rest, c.rest) {
			t.Errorf("%s: %q and %q: %v", name, run, rest, err)
		}
	}
}

func TestDifferencesRefused(t *testing.T) {
	for _, other := range []string{``, `[]`, `{"config":"x"}`, `{"config":{},"Config":{"Cmd":["evil"]}}`, `{"config":{"Cmd":["a"],"Cmd":["evil"]}}`} {
		_, _, err := convert.Differences([]byte(`{}`), []byte(other))
		var e *convert.Error
		if !errors.As(err, &e) || e.What != "the other config" {
			t.Errorf("%s: %v", other, err)
		}
		if _, _, err = convert.Differences([]byte(other), []byte(`{}`)); !errors.As(err, &e) || e.What != "the genuine config" {
			t.Errorf("%s: %v", other, err)
		}
	}
}

// TestDifferencesAreFew: a hostile config with very many members costs neither
// memory nor a long message.
func TestDifferencesAreFew(t *testing.T) {
	var b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	_, rest, err := convert.Differences([]byte(`{}`), []byte(`{"config":{`+b.String()[1:]+`}}`))
	if err != nil || len(rest) != convert.MaxPaths {
		t.Errorf("%d differences: %v", len(rest), err)
	}
}

func FuzzDifferences(f *testing.F) {
	for _, e := range corpus(f) {
		f.Add(e.config, corpus(f)[0].config)
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if run, rest, err := convert.Differences(a, a); err == nil && len(run)+len(rest) > 0 {
			t.Errorf("%s differs from itself in %q, %q", a, run, rest)
		}
		there, restThere, err := convert.Differences(a, b)
		back, restBack, errBack := convert.Differences(b, a)
		if (err == nil) != (errBack == nil) || err == nil && (len(there)+len(restThere) == 0) != (len(back)+len(restBack) == 0) {
			t.Errorf("%s and %s: %q %q, and back %q %q", a, b, there, restThere, back, restBack)
		}
	})
}
