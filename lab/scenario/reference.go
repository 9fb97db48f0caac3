package scenario

import (
	"fmt"
	"strings"

	"stasis/lab/workload"
)

// Reference describes the language, in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Scenarios\n\nA scenario is a file of YAML with these fields:\n\n| field | what it is |\n|---|---|\n")
	for _, f := range topFields {
		fmt.Fprintf(&b, "| `%s` | %s |\n", f.name, f.about)
	}
	var c Cluster
	var l workload.Spec
	var p Power
	fields(&b, "cluster", "`cluster` has:", clusterFields(&c))
	b.WriteString("\n## load\n\nEach entry names a workload, alone or with its settings: `bank: {clients: 4}`.\n\n| workload | what its clients do |\n|---|---|\n")
	for _, w := range workload.List() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", w.Name, w.Text)
	}
	fields(&b, "", "Settings; a workload refuses those that it does not know:", loadFields(&l))
	forms(&b, "do: when", "The key of a step says when it is done.", Whens())
	forms(&b, "do: actions", "Small words stand for themselves, `[…]` may be left out, and what is in capitals is an argument. Actions marked with * are faults, or collide with a backup: one that was never done, refused each time, not met, or that missed the step at which it was to be there, makes a run vacuous. So does any other action whose moment never comes.", Actions())
	forms(&b, "Servers", "Where an action names a server, it takes one of these, or several with commas.", Servers())
	forms(&b, "expect", "What always has to hold needs no entry: nothing that was acknowledged is lost, each backup is one instant, Plan does not change while it is frozen, nothing is left of operations, and the cluster serves after it has healed.", Expectations())
	b.WriteString("\n## Arguments\n\n| argument | what it is |\n|---|---|\n")
	for _, k := range Kinds() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Name, k.About)
	}
	steps(&b)
	fields(&b, "power", "`power` has:", powerFields(&p))
	return b.String()
}

func fields(b *strings.Builder, title, about string, all []Field) {
	if title != "" {
		fmt.Fprintf(b, "\n## %s\n", title)
	}
	fmt.Fprintf(b, "\n%s\n\n| field | what it is | default |\n|---|---|---|\n", about)
	for _, f := range all {
		fmt.Fprintf(b, "| `%s` | %s Want %s. | %s |\n", f.Name, f.About, strings.ReplaceAll(f.value.want, "|", `\|`), f.Default)
	}
}

func forms(b *strings.Builder, title, about string, all []Form) {
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| form | what it means | example |\n|---|---|---|\n", title, about)
	for _, f := range all {
		mark := ""
		if f.Fault {
			mark = " *"
		}
		fmt.Fprintf(b, "| `%s`%s | %s | `%s` |\n", f.Text, mark, f.About, strings.ReplaceAll(f.Example, "|", `\|`))
	}
}

func steps(b *strings.Builder) {
	b.WriteString("\n## Steps\n\nThe steps of each operation, as events name them:\n\n")
	for _, operation := range []string{"create", "restore", "delete", "verify", "upload", ""} {
		of := "of `" + operation + "`"
		switch operation {
		case "create":
			of = "of `backup`"
		case "upload":
			of = "of `upload` and `download`"
		case "":
			of = "of servers and the supervision"
		}
		fmt.Fprintf(b, "- %s: %s\n", of, listed(stepsOf[operation]))
	}
}
