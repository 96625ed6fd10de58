package verify_test

import (
	"github.com/kverify/kverify/internal/world"
	"github.com/kverify/kverify/pkg/report"
)

// referenceRows are the attacks on what is asked for by a reference: digests of
// platforms, stand-ins, and files kept as OCI artifacts.
func referenceRows() (rows []matrixRow) {
	for _, p := range pinnedForms() {
		if p.want != report.Verified {
			rows = append(rows, matrixRow{name: "a platform's digest: " + p.name, rule: "20", image: proxy, do: p.do, ref: p.ref, carried: p.carried})
		}
	}
	for _, s := range standInAttacks() {
		if s.want != report.Verified {
			rows = append(rows, matrixRow{name: "at a stand-in: " + s.name, rule: "20", image: proxy, do: s.attack,
				standIn: &world.StandIn{Has: world.OnlyIndexes, Instead: s.instead}})
		}
	}
	for _, f := range fileForms() {
		if f.want != report.Verified {
			rows = append(rows, matrixRow{name: "a file as an artifact: " + f.name, rule: "33", image: f.ref, do: f.attack, carried: f.carried,
				ref: func(*world.World) string { return f.ref }})
		}
	}
	return rows
}
