//! Names of representations: short, and unique.

use std::path::Path;

use super::examples::Examples;

/// File stems; with the parent directory where stems repeat, whole paths where those do.
pub(super) fn labels(examples: &[Examples]) -> Vec<String> {
    let stem =
        |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let with_parent = |path: &Path| match path.parent().and_then(Path::file_name) {
        Some(parent) => format!("{}/{}", parent.to_string_lossy(), stem(path)),
        None => stem(path),
    };
    let whole = |path: &Path| path.display().to_string();
    let files = || examples.iter().map(|own| own.origin.file.as_path());
    let shortest = |name: &dyn Fn(&Path) -> String| -> Option<Vec<String>> {
        let mut names: Vec<(String, &Path)> =
            files().map(|file| (name(file), file)).collect();
        let all = names.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        let unique = names.windows(2).all(|pair| pair[0].0 != pair[1].0);
        unique.then_some(all)
    };
    let names = shortest(&stem)
        .or_else(|| shortest(&with_parent))
        .unwrap_or_else(|| files().map(whole).collect());
    let join = |(file, own): (String, &Examples)| match &own.origin.member {
        Some(member) => format!("{file}:{member}"),
        None => file,
    };
    names.into_iter().zip(examples).map(join).collect()
}

#[cfg(test)]
mod tests {
    use super::super::examples::Origin;
    use super::*;

    #[test]
    fn labels_are_the_shortest_unique_names() {
        let labels = |paths: &[(&str, Option<&str>)]| {
            let own = |&(path, member): &(&str, Option<&str>)| Examples {
                origin: Origin { file: path.into(), member: member.map(Into::into) },
                n: 0,
                ids: None,
            };
            labels(&paths.iter().map(own).collect::<Vec<_>>())
        };
        assert_eq!(labels(&[("r/a.npy", None), ("s/b.npy", None)]), ["a", "b"]);
        assert_eq!(labels(&[("r/a.npy", None), ("s/a.npy", None)]), ["r/a", "s/a"]);
        assert_eq!(
            labels(&[("r/a.npy", None), ("r/a.npz", None)]),
            ["r/a.npy", "r/a.npz"]
        );
        let members = [("r/a.npz", Some("x")), ("r/a.npz", Some("y"))];
        assert_eq!(labels(&members), ["a:x", "a:y"]);
    }
}
