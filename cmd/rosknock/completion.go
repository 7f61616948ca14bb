package main

import "github.com/spf13/cobra"

func newCompletion(e env) *cobra.Command {
	var bare bool
	shells := []string{"bash", "zsh", "fish", "powershell"}
	c := &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print what makes a shell complete rosknock's words",
		Long: `Print a script for bash, zsh, fish or powershell, which lets Tab complete commands, flags, plans, the routers and groups of an inventory,
doors and changes. Nothing is asked of any router. The packages bring these scripts along.

For one session:

  bash        source <(rosknock completion bash)
  zsh         source <(rosknock completion zsh)
  fish        rosknock completion fish | source
  powershell  rosknock completion powershell | Out-String | Invoke-Expression

To keep it, write what is printed to where the shell looks:

  bash        ~/.local/share/bash-completion/completions/rosknock
  zsh         a folder of $fpath, as _rosknock
  fish        ~/.config/fish/completions/rosknock.fish
  powershell  a line like the one above in $PROFILE`,
		Example: `  rosknock completion bash > ~/.local/share/bash-completion/completions/rosknock
  rosknock completion fish | source`,
		Args:      exactly(1, "completion takes one shell: "+either(shells)),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(e.out, !bare)
			case "zsh":
				if bare {
					return root.GenZshCompletionNoDesc(e.out)
				}
				return root.GenZshCompletion(e.out)
			case "fish":
				return root.GenFishCompletion(e.out, !bare)
			case "powershell":
				if bare {
					return root.GenPowerShellCompletion(e.out)
				}
				return root.GenPowerShellCompletionWithDesc(e.out)
			}
			return usagef("completion: there is none for %q: choose %s", args[0], either(shells))
		},
	}
	c.Flags().BoolVar(&bare, "no-descriptions", false, "complete words without saying what they mean")
	return c
}
