package simulate

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"

	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/internal/world/expect"
)

// pool are the worlds that scenes are drawn from: releases of every era, alone and with
// neighbours. Signing is most of the cost of a world, so that each is built once.
var pool = [][]string{
	{"v1.24.0"}, {"v1.24.0", "v1.24.1"}, {"v1.25.0"}, {"v1.25.0", "v1.26.0"},
	{"v1.26.0"}, {"v1.26.0", "v1.27.1", "v1.27.2"}, {"v1.27.1", "v1.27.2"}, {"v1.27.2", "v1.28.2"},
	{"v1.28.0", "v1.28.1"}, {"v1.28.2"}, {"v1.31.0"}, {"v1.31.0", "v1.31.1"}, {"v1.24.0", "v1.31.0"}, {"v1.36.0", "v1.37.2"},
}

// built is a world of the pool with what was released in it.
type built struct {
	world *world.World
	truth *world.Truth
	root  string // file with its trusted root
}

var shelf struct {
	sync.Mutex
	worlds map[int]*built
	base   string // directory of everything that a simulation writes
}

// take gives a world of the pool, which is built if nobody has asked for it yet.
func take(i int) (*built, error) {
	shelf.Lock()
	defer shelf.Unlock()
	if b := shelf.worlds[i]; b != nil {
		return b, nil
	}
	w := world.New(world.Options{Versions: pool[i]})
	b := &built{world: w, truth: w.Truth(), root: filepath.Join(shelf.base, "root-"+pool[i][0]+"-"+string(rune('a'+i))+".json")}
	shelf.worlds[i] = b
	return b, os.WriteFile(b.root, w.TrustedRootJSON(), 0o600)
}

// scene is one drawn world and what is looked at in it.
type scene struct {
	*built
	seed       uint64
	w          *world.World // the clone that is attacked
	dir        string       // of this scene alone
	version    string       // that is asked for
	other      string       // another release of the world, or the same
	image      string       // of the version
	tag        string       // of the image
	arch       string
	path       string       // of a file of the version
	lies       bool         // somebody changed what a publisher of claims says: see truth_test.go
	distrusted bool         // who answers for the publisher of claims has no certificate for it
	honest     bool         // nobody attacks
	fault      expect.Fault // that lasts, of an honest world
	alone      bool         // the mirror has this one image
	made       bool         // there is a mirror, from which its bringing up to date reads too
	key        string       // with which mirrors are read, of who vouches for them
	vouchedLie bool         // a publisher's lie was heard when that mirror was made
	signed     []string     // digests of other documents that the releases' own signer signed
}

func sub(seed uint64, what uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, what)) }

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// programs are files small enough to be looked at often.
var programs = []string{
	"bin/linux/%s/kubectl", "bin/linux/%s/kubelet", "bin/linux/%s/kubeadm", "bin/linux/%s/kube-proxy",
	"kubernetes-client-linux-%s.tar.gz", "kubernetes-server-linux-%s.tar.gz", "bin/linux/%s/kube-proxy.tar",
}
