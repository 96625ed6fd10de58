package cli

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/kverify/kverify/internal/command"
	"github.com/kverify/kverify/internal/watch"
	"github.com/kverify/kverify/pkg/fetch"
	"github.com/kverify/kverify/pkg/registry"
)

// maxAuthorization caps the value of that header: tokens of clusters have some KiB.
const maxAuthorization = 16 << 10

// webhook is where events are posted; nil if nowhere. No message has more of its address than
// the host, since the rest may be a secret.
func webhook(ctx context.Context, set *command.Settings, own *watchFlags) (*watch.Webhook, error) {
	if own.webhook == "" {
		return nil, nil
	}
	u, err := url.Parse(own.webhook)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Fragment != "":
		return nil, command.Usagef("--webhook is not a URL; write one such as https://alerts.example.com/kverify")
	case u.User != nil:
		return nil, command.Usagef("--webhook %s: the URL has a user in it; put what authorises into a file, and give --webhook-auth-file FILE", u.Host)
	case fetch.PublishedHost(u.Hostname()):
		return nil, command.Usagef("--webhook %s: Kubernetes and Sigstore publish there, and nothing is sent to them; name a host of yours", u.Host)
	}
	hook := &watch.Webhook{URL: u, Fetch: &fetch.Client{Transport: set.Outgoing(u.Host)}}
	if own.authFile == "" {
		return hook, nil
	}
	if u.Scheme == "http" && !registry.PlainHTTP(u.Host) {
		return nil, command.Usagef("--webhook-auth-file: a secret does not go over plain HTTP to %s; write https://, or leave it out", u.Host)
	}
	hook.Authorization = func(ctx context.Context) (string, error) { return authorization(ctx, own.authFile) }
	_, err = hook.Authorization(ctx)
	return hook, err
}

// authorization reads the value of the header. The error repeats nothing of it.
func authorization(ctx context.Context, file string) (string, error) {
	text, err := command.ReadFile(ctx, file, maxAuthorization)
	if err != nil {
		return "", command.Usagef("--webhook-auth-file %s: %w; name a file with the value of an Authorization header", file, command.PlainError(err))
	}
	value := strings.TrimSpace(string(text))
	if value == "" || strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", &command.UsageError{Err: fmt.Errorf("--webhook-auth-file %s is not one line of printable ASCII, such as: Bearer SECRET", file)}
	}
	return value, nil
}
