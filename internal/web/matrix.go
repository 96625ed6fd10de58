package web

import (
	"cmp"
	"slices"
	"strings"
)

// A matrix has the files of one version, a program a row and a platform a column.
type matrix struct {
	Systems []system
	Groups  []rowGroup
	Mine    []machineFiles // what there is for the reader's own machine
	Machine machine
}

// A system is a group of columns.
type system struct {
	OS     string
	Arches []column
}

type column struct {
	OS, Arch string
	Mine     bool
}

// A rowGroup is the programs, or the archives.
type rowGroup struct {
	Title string
	Rows  []programRow
}

type programRow struct {
	Name  string
	Cells []cell // one a column
}

// A cell is a file, or nothing.
type cell struct {
	*item
	Mine bool
}

// machineFiles are the files of one program for the reader's machine: more than one where
// its processor is not known.
type machineFiles struct {
	Name  string
	Files []item
}

// newMatrix sorts files into a matrix. It has no rows where nothing is for a platform.
func newMatrix(list []item, m machine) matrix {
	out := matrix{Machine: m}
	var columns []column
	rows := map[string]map[column]*item{}
	kinds := map[string]string{}
	for n := range list {
		i := &list[n]
		if i.Section != "files" || len(i.OS) != 1 || len(i.Arch) != 1 {
			continue
		}
		at := column{i.OS[0], i.Arch[0], m.Is(i.OS[0], i.Arch[0])}
		name := i.program()
		if rows[name] == nil {
			rows[name], kinds[name] = map[column]*item{}, i.Kind
		}
		if was := rows[name][at]; was != nil && worse(was.Verdict, i.Verdict) <= 0 {
			continue // two of one name: the worse is shown here, and the list has both
		}
		rows[name][at] = i
		if !slices.Contains(columns, at) {
			columns = append(columns, at)
		}
	}
	slices.SortFunc(columns, func(a, b column) int {
		return cmp.Or(by(osOrder)(a.OS, b.OS), by(archOrder)(a.Arch, b.Arch))
	})
	for _, c := range columns {
		if n := len(out.Systems); n == 0 || out.Systems[n-1].OS != c.OS {
			out.Systems = append(out.Systems, system{OS: c.OS})
		}
		last := &out.Systems[len(out.Systems)-1]
		last.Arches = append(last.Arches, c)
	}
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(kindOrder, kinds[a]), rank(kindOrder, kinds[b])), by(firstPrograms)(a, b))
	})
	for _, title := range []string{"Programs", "Archives"} {
		g := rowGroup{Title: title}
		for _, name := range names {
			if (kinds[name] == "binary") == (title == "Programs") {
				g.Rows = append(g.Rows, rowOf(name, rows[name], columns))
			}
		}
		if len(g.Rows) > 0 {
			out.Groups = append(out.Groups, g)
		}
	}
	out.Mine = mineOf(out.Groups)
	return out
}

func rowOf(name string, files map[column]*item, columns []column) programRow {
	r := programRow{Name: name}
	for _, c := range columns {
		r.Cells = append(r.Cells, cell{files[c], c.Mine})
	}
	return r
}

// mineOf takes the reader's own columns out, for the programs that most come for.
func mineOf(groups []rowGroup) (list []machineFiles) {
	for _, g := range groups {
		for _, r := range g.Rows {
			if !slices.Contains(firstPrograms, r.Name) {
				continue
			}
			of := machineFiles{Name: r.Name}
			for _, c := range r.Cells {
				if c.Mine && c.item != nil {
					of.Files = append(of.Files, *c.item)
				}
			}
			if len(of.Files) > 0 {
				list = append(list, of)
			}
		}
	}
	return list
}

// Columns is how many columns of files there are.
func (m matrix) Columns() (n int) {
	for _, s := range m.Systems {
		n += len(s.Arches)
	}
	return n
}

// Label is what a link in the matrix is called by who cannot see its place.
func (c cell) Label() string {
	says := "not judged"
	if c.Judged {
		says = c.Verdict.String()
	}
	return strings.Join([]string{c.Name, c.Platform(), size(c.Size), says}, " ")
}

// Has says whether there is a file at all.
func (c cell) Has() bool { return c.item != nil }

// Tone is the class of the cell's colour.
func (c cell) Tone() string {
	if !c.Judged {
		return "open"
	}
	return c.Verdict.String()
}
