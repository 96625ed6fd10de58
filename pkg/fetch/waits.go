package fetch

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Waits says for which hosts requests wait, to whoever watches a run. The zero value is
// ready, and may be used by many goroutines.
type Waits struct {
	mu    sync.Mutex
	hosts map[string]Wait
}

// Wait is a host that requests wait for.
type Wait struct {
	Host  string
	Why   string    // such as "429 Too Many Requests"
	Until time.Time // when it is asked again
}

// String gives "HOST answered WHY".
func (w Wait) String() string { return fmt.Sprintf("%s answered %s", w.Host, w.Why) }

// long is the shortest wait that somebody should be told of.
const long = time.Second

// note remembers that requests to a host wait, if they do for long. A nil Waits forgets it.
func (w *Waits) note(host string, resp *http.Response, d time.Duration) {
	if w == nil || resp == nil || d < long {
		return
	}
	until := time.Now().Add(d)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.hosts == nil {
		w.hosts = map[string]Wait{}
	}
	if until.After(w.hosts[host].Until) {
		w.hosts[host] = Wait{Host: host, Why: fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode)), Until: until}
	}
}

// Now lists the hosts that are waited for, by name.
func (w *Waits) Now() (list []Wait) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.hosts {
		if one.Until.After(now) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b Wait) int { return cmp.Compare(a.Host, b.Host) })
	return list
}
