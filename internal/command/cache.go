package command

import (
	"os"
	"path/filepath"

	"github.com/kverify/kverify/pkg/registry"
)

// keptBytes is the run's cache; nil keeps nothing.
func (set *Settings) keptBytes() (*registry.Cache, error) {
	if set.kept == nil {
		c, err := cache(set)
		if err != nil {
			return nil, err
		}
		set.kept = c
	}
	return set.kept, nil
}

// cache chooses where bytes are kept between runs. A mirror is a directory
// already, and a run whose images come from it keeps nothing. Without a HOME
// there is no cache, unless one is named.
func cache(set *Settings) (*registry.Cache, error) {
	if set.NoCache || set.Mirror != "" && set.Endpoints[ImageHost] == nil {
		return nil, nil
	}
	if set.Cache != "" {
		if err := os.MkdirAll(set.Cache, 0o700); err != nil {
			return nil, Usagef("--cache %s: %w; name a directory that can be written to, or give --no-cache", set.Cache, PlainError(err))
		}
		return registry.NewCache(set.Cache, 0), nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return nil, nil //nolint:nilerr // no HOME is not an error
	}
	return registry.NewCache(filepath.Join(user, "kverify"), 0), nil
}
