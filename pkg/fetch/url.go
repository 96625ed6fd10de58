package fetch

import (
	"errors"
	"fmt"
	"net/url"
)

// parseURL reads a URL that may be asked for, without its fragment.
func parseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		// url.Error repeats the whole URL, with whatever secret is in it.
		return nil, errors.New("not a URL")
	}
	u.Fragment, u.RawFragment = "", ""
	return u, checkURL(u)
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("scheme %s; only http and https are spoken", quote(u.Scheme))
	case u.Hostname() == "": // nor has one what is opaque
		return errors.New("a URL without a host")
	case u.User != nil:
		return errors.New("a URL that holds a user or a password")
	}
	return nil
}
