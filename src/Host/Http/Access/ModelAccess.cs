using Hearth.Host.Service;

namespace Hearth.Host.Http;

/// <summary>Which of the service's models a request's key opens; without a key where none is needed: all.</summary>
/// <remarks>What a key does not open is not there for its bearer: it is neither listed nor found.</remarks>
internal static class ModelAccess
{
    /// <summary>The models that the caller may know of.</summary>
    public static IReadOnlyList<CatalogEntry> EntriesFor(this ModelCatalog catalog, HttpContext context)
        => KeyAuthentication.Of(context) is { Models.Count: > 0 } key ? [.. catalog.Entries.Where(entry => Opens(key, entry))] : catalog.Entries;

    /// <summary>The presets that the caller may know of.</summary>
    public static IReadOnlyList<PresetConfiguration> PresetsFor(this ModelCatalog catalog, HttpContext context)
        => KeyAuthentication.Of(context) is { Models.Count: > 0 } key ? [.. catalog.Presets.Where(preset => Opens(catalog, key, preset))] : catalog.Presets;

    /// <summary>Whether the caller may use a model, itself or by a preset.</summary>
    public static bool Opens(ModelCatalog catalog, HttpContext context, CatalogEntry entry, PresetConfiguration? preset)
        => KeyAuthentication.Of(context) is not { Models.Count: > 0 } key || (preset is null ? Opens(key, entry) : Opens(catalog, key, preset));

    private static bool Opens(ApiKey key, CatalogEntry entry) => key.OpensModel(entry.Configuration.Aliases.Prepend(entry.Id));

    // A key for a model opens what is made of it; a key for a preset opens no more than that.
    private static bool Opens(ModelCatalog catalog, ApiKey key, PresetConfiguration preset)
        => key.OpensModel([preset.Id]) || (catalog.Find(preset.Model) is { } entry && Opens(key, entry));
}
