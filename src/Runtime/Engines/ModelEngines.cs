using System.Reflection;
using Hearth.Runtime.Gguf;

namespace Hearth.Runtime.Engines;

/// <summary>The engines of this process besides Hearth's own.</summary>
/// <remarks>
/// An engine is found where the program refers to an assembly named Hearth.* that bears a <see cref="ModelEngineAttribute"/>,
/// or where somebody registered it. Safe to use from several threads.
/// </remarks>
public static class ModelEngines
{
    /// <summary>The name of Hearth's own engine.</summary>
    public const string Own = "hearth";

    private static readonly Lock s_lock = new();
    private static readonly List<IModelEngine> s_engines = [];
    private static bool s_probed;

    /// <summary>All of them, in the order in which they were found.</summary>
    public static IReadOnlyList<IModelEngine> All
    {
        get
        {
            lock (s_lock)
            {
                Probe();
                return [.. s_engines];
            }
        }
    }

    /// <summary>Whether a name means Hearth's own engine.</summary>
    /// <param name="name">Null: nobody asked for another.</param>
    public static bool IsOwn(string? name) => name is null || name.Equals(Own, StringComparison.OrdinalIgnoreCase);

    /// <summary>Adds an engine, for programs whose assemblies cannot be looked through (a single file, say).</summary>
    /// <remarks>An engine of the same name is replaced.</remarks>
    public static void Register(IModelEngine engine)
    {
        ArgumentNullException.ThrowIfNull(engine);
        lock (s_lock)
        {
            Probe();
            s_engines.RemoveAll(known => known.Name == engine.Name);
            s_engines.Add(engine);
        }
    }

    /// <summary>The engine of a name, in upper or lower case.</summary>
    /// <exception cref="HearthException">There is none of that name here, or it is Hearth's own.</exception>
    public static IModelEngine Find(string name)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        var engines = All;
        return engines.FirstOrDefault(engine => engine.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
            ?? throw new HearthException($"there is no engine '{name}' here; there are: {string.Join(", ", engines.Select(engine => engine.Name).Prepend(Own))}. Other engines come with packages of their own, which the program has to refer to (llamasharp: Hearth.LLamaSharp and a package LLamaSharp.Backend.*).");
    }

    /// <summary>The names of those that would take a file.</summary>
    internal static IReadOnlyList<string> Knowing(GgufFile file) => [.. All.Where(engine => engine.Knows(file)).Select(engine => engine.Name)];

    /// <summary>Refuses what only other engines honour, or another engine.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option is set that Hearth's own engine does not have.</exception>
    internal static void RequireOwn(ModelOptions options)
    {
        if (!IsOwn(options.Engine))
            throw new ArgumentOutOfRangeException(nameof(options), options.Engine, $"the engine '{options.Engine}' is asked for, but this loads a model on Hearth's own; {nameof(ModelEngines)}.{nameof(Find)} gives that one");
        foreach (var (name, value) in options.EngineMembers())
        {
            if (value is not null)
                throw new ArgumentOutOfRangeException(name, value, $"{name} has a meaning for other engines only, such as llamasharp; Hearth's own has no such option");
        }
    }

    // Under the lock. Of a program that is one file nothing is listed.
    private static void Probe()
    {
        if (s_probed)
            return;
        s_probed = true;
        foreach (var path in (AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES") as string ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            if (!name.StartsWith("Hearth.", StringComparison.Ordinal) || name == typeof(ModelEngines).Assembly.GetName().Name)
                continue;
            foreach (var attribute in Load(name)?.GetCustomAttributes<ModelEngineAttribute>() ?? [])
                s_engines.Add((IModelEngine)Activator.CreateInstance(attribute.Engine)!);
        }
    }

    private static Assembly? Load(string name)
    {
        try
        {
            return Assembly.Load(new AssemblyName(name));
        }
        catch (Exception exception) when (exception is IOException or BadImageFormatException)
        {
            // Listed and not there: whoever needs it will be told.
            return null;
        }
    }
}
