"""Methods that GRAO is raced against (exp-race), a file each; `--method grao_ref.methods.neighbours.luffy.LUFFY`."""
