namespace Hearth.Runtime;

/// <summary>A model loaded in this process, whatever it is used for: an <see cref="ILanguageModel"/> or an <see cref="IEmbeddingModel"/>.</summary>
/// <remarks>All members are safe to call from several threads at once.</remarks>
public interface IModel
{
    /// <summary>What the model is.</summary>
    ModelInformation Information { get; }

    /// <summary>The load of the model's loop now.</summary>
    ModelLoad Load { get; }

    /// <summary>What ended the model's loop, after which every request is refused; null while it serves.</summary>
    Exception? Fault => null;

    /// <summary>A number of tokens that the text has at least, known without tokenizing it; 0 where nothing is known.</summary>
    /// <remarks>Texts that are far too long can so be refused at no cost.</remarks>
    long LeastTokens(string text) => 0;
}
