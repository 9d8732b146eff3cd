namespace Hearth.Host.Service;

/// <content>What becomes of the models when the configuration changes.</content>
internal sealed partial class ModelCatalog
{
    private volatile bool _isReady;

    private static IEnumerable<ModelConfiguration> ModelsOf(ServiceConfiguration configuration)
        => configuration.Models.Concat(configuration.ModelFolders.SelectMany(ModelSources.Find)).DistinctBy(model => model.EffectiveId);

    /// <summary>Takes a changed configuration over.</summary>
    /// <remarks>
    /// A model that would be loaded as it is stays, with its cache and its conversations, whatever else is said of it. One that is
    /// loaded otherwise is loaded anew; those who use the old one go on. What requests added (pulled models, presets that were
    /// made) stays.
    /// </remarks>
    private void Apply(ServiceConfiguration before, ServiceConfiguration after)
    {
        var wanted = ModelsOf(after).ToDictionary(model => model.EffectiveId, StringComparer.Ordinal);
        var known = ModelsOf(before).Select(model => model.EffectiveId).ToHashSet(StringComparer.Ordinal);
        List<CatalogEntry> gone = [], fresh = [];
        lock (_lock)
        {
            foreach (var entry in _entries)
            {
                if (wanted.Remove(entry.Id, out var model) && entry.Configuration.LoadsAs(model))
                {
                    entry.Configuration = model;
                    entry.KeepAlive = KeepAliveOf(model, after);
                }
                else if (model is not null)
                {
                    gone.Add(entry);
                    fresh.Add(Fresh(model));
                }
                else if (known.Contains(entry.Id) && !(entry.Configuration.OnDemand && File.Exists(entry.Configuration.Path) && after.ModelFolders.Count > 0 && before.Models.All(other => other.EffectiveId != entry.Id)))
                {
                    gone.Add(entry);
                }
            }

            fresh.AddRange(wanted.Values.Select(Fresh));
            gone.ForEach(entry => entry.IsRemoved = true);

            // The order of the configuration decides which model answers requests that name none.
            var order = after.Models.Select((model, place) => (model.EffectiveId, place)).ToDictionary(pair => pair.EffectiveId, pair => pair.place, StringComparer.Ordinal);
            _entries = [.. _entries.Except(gone).Concat(fresh).OrderBy(entry => order.GetValueOrDefault(entry.Id, int.MaxValue))];
            _presets = [.. after.Presets, .. _presets.Where(preset => before.Presets.All(old => old.Id != preset.Id) && after.Presets.All(other => other.Id != preset.Id))];
        }

        foreach (var entry in gone)
        {
            logger.LogInformation("model {Id} is no longer what the configuration says", entry.Id);
            _ = UnloadWhenIdleAsync(entry);
        }

        _ = StartAsync(fresh);

        CatalogEntry Fresh(ModelConfiguration model) => new(model, isStarting: !model.OnDemand) { KeepAlive = KeepAliveOf(model, after) };
    }

    private async Task StartAsync(List<CatalogEntry> fresh)
    {
        foreach (var entry in fresh.Where(entry => entry.IsStarting))
        {
            try
            {
                (await AcquireAsync(entry, lifetime.ApplicationStopping)).Dispose();
            }
            catch (OperationCanceledException) when (lifetime.ApplicationStopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                // What ran before runs on; the model is an error for those who ask for it.
                logger.LogError("model {Id} cannot be loaded: {Message}", entry.Id, exception.Message);
            }
            finally
            {
                entry.IsStarting = false;
            }
        }

        if (_isReady)
        {
            systemd.Ready(_entries.Length);
        }
    }
}
