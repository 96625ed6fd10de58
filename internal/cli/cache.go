package cli

import (
	"os"
	"path/filepath"

	"github.com/kverify/kverify/pkg/registry"
)

// cache chooses where bytes are kept between runs. A mirror is a directory
// already, and a run whose images come from it keeps nothing. Without a HOME
// there is no cache, unless one is named.
func cache(set *settings) (*registry.Cache, error) {
	if set.noCache || set.mirror != "" && set.endpoints[imageHost] == nil {
		return nil, nil
	}
	if set.cache != "" {
		if err := os.MkdirAll(set.cache, 0o700); err != nil {
			return nil, usagef("--cache %s: %w; name a directory that can be written to, or give --no-cache", set.cache, plainError(err))
		}
		return registry.NewCache(set.cache, 0), nil
	}
	user, err := os.UserCacheDir()
	if err != nil {
		return nil, nil //nolint:nilerr // no HOME is not an error
	}
	return registry.NewCache(filepath.Join(user, "kverify"), 0), nil
}
