package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/kverify/kverify/internal/bounds"
	"github.com/kverify/kverify/internal/strictjson"
	"github.com/kverify/kverify/pkg/oci"
	"github.com/kverify/kverify/pkg/registry"
	"github.com/kverify/kverify/pkg/release"
	"github.com/kverify/kverify/pkg/report"
)

// statePrice is what a state costs when it is read.
var statePrice = bounds.Price{Item: 512, Object: 256, Value: 48}

// affordable says whether a state can be read. What cannot is not written either.
func affordable(text []byte) error { return bounds.JSON(text, statePrice, bounds.Memory) }

// parseState reads what was saved, and refuses whatever no run writes.
func parseState(text []byte) (*state, error) {
	if err := affordable(text); err != nil {
		return nil, err
	}
	if err := strictjson.Check(text); err != nil {
		return nil, err
	}
	s := newState()
	s.StateVersion = 0
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		return nil, strictjson.Plain(err)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// check says what no run writes.
func (s *state) check() error {
	switch {
	case s.StateVersion != stateVersion:
		return fmt.Errorf("its version is %d, and this kverify reads %d", s.StateVersion, stateVersion)
	case s.Channels == nil || s.Units == nil:
		return errors.New("it has no channels or no units")
	case len(s.Units) > maxUnits || len(s.Channels) > maxUnits || len(s.Queue) > maxQueue || s.Dropped < 0:
		return errors.New("it holds more than a run keeps")
	}
	for channel, v := range s.Channels {
		if marker, _, err := release.Channel(channel); err != nil || marker == "" || v.IsZero() {
			return fmt.Errorf("%q is not a channel with a version", channel)
		}
	}
	for name, u := range s.Units {
		if v, err := release.ParseVersion(name); name != Images && (err != nil || v.String() != name) {
			return fmt.Errorf("%q is neither a release nor %q", name, Images)
		}
		if err := u.check(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, e := range s.Queue {
		if err := e.check(); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) check() error {
	if u == nil || len(u.Tags) > maxResults || len(u.Subjects) > maxResults {
		return errors.New("it is empty, or holds more than a run keeps")
	}
	if u.Channel != "" {
		if marker, _, err := release.Channel(u.Channel); err != nil || marker == "" {
			return fmt.Errorf("%q is not a channel", u.Channel)
		}
	}
	for name, digest := range u.Tags {
		ref, err := registry.ParseRef(name)
		if err != nil || ref.Tag == "" || ref.Digest != "" || len(name) > maxName || digest != "" && oci.Digest(digest).Validate() != nil {
			return fmt.Errorf("%q: %q is not a tag with its digest", name, digest)
		}
	}
	for name, s := range u.Subjects {
		switch {
		case s == nil || len(name) > maxName || len(s.Alarms) > maxAlarms:
			return fmt.Errorf("%q holds more than a run keeps, or nothing", name)
		case s.Was == report.Unknown && (s.Verdict != report.Unknown || !s.WasAt.IsZero()), s.Was != report.Unknown && s.WasAt.IsZero(),
			s.Verdict != report.Unknown && s.Verdict != s.Was, s.Was == report.Refuted && s.Verdict == report.Unknown, s.Since.IsZero():
			return fmt.Errorf("%q contradicts itself", name)
		}
		for _, a := range s.Alarms {
			if len(a) != 33 || strings.Trim(a, "0123456789abcdef-") != "" {
				return fmt.Errorf("%q has an alarm that is none", name)
			}
		}
	}
	return nil
}
